//! What `init`, `join` and `join-token` say.

use common::node::Role;

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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{expect, expect_file};

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
