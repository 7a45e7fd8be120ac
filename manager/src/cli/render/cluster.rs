//! What `init`, `join`, `join-token` and `version` say.

use crate::cli::args::format::Format;
use common::node::Role;
use serde_json::json;

pub(in crate::cli) fn initialized(node: &str, worker_token: &str, address: &str) -> String {
    format!(
        "Cluster initialized: current node ({node}) is now a manager.\n\n{}\
         To add a manager to this cluster, run 'skep join-token manager' and follow the \
         instructions.\n",
        how_to_join(Role::Worker, worker_token, address)
    )
}

pub(in crate::cli) fn how_to_join(role: Role, token: &str, address: &str) -> String {
    format!(
        "To add a {role} to this cluster, run the following command:\n\n    \
         skep join --token {token} {address}\n\n"
    )
}

pub(in crate::cli) fn rotated(role: Role) -> String {
    format!("Successfully rotated {role} join token.\n\n")
}

pub(in crate::cli) fn joined(role: Role, name: &str) -> String {
    format!("This node joined a cluster as a {role}, named {name}.\n")
}

/// Without the daemon's, where that does not answer.
pub(in crate::cli) fn versions(client: &str, daemon: Option<&str>, format: Format) -> String {
    match format {
        Format::Table => {
            let daemon = daemon.map(|it| format!("Daemon:  {it}\n")).unwrap_or_default();
            format!("Client:  {client}\n{daemon}")
        }
        Format::Json => {
            let version = |it: &str| json!({ "Version": it });
            let object = json!({ "Client": version(client), "Server": daemon.map(version) });
            format!("{object}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{expect, expect_file};

    #[test]
    fn of_programs() {
        expect![[r#"
            Client:  0.2.0
            Daemon:  0.1.0
            {"Client":{"Version":"0.2.0"},"Server":{"Version":"0.1.0"}}
            Client:  0.2.0
            {"Client":{"Version":"0.2.0"},"Server":null}
        "#]]
        .assert_eq(
            &([Some("0.1.0"), None]
                .into_iter()
                .flat_map(|daemon| [(daemon, Format::Table), (daemon, Format::Json)])
                .map(|(daemon, format)| versions("0.2.0", daemon, format))
                .collect::<String>()),
        );
    }

    #[test]
    fn the_words() {
        expect_file!["expected/init.txt"].assert_eq(&initialized(
            "rasp1",
            "SKEP-1-a-b",
            "10.0.0.1:7373",
        ));
        let text = rotated(Role::Manager) + &how_to_join(Role::Manager, "T", "A:1");
        expect![[r#"
            Successfully rotated manager join token.

            To add a manager to this cluster, run the following command:

                skep join --token T A:1

        "#]]
        .assert_eq(&text);
        assert_eq!(
            joined(Role::Worker, "rasp2"),
            "This node joined a cluster as a worker, named rasp2.\n"
        );
    }
}
