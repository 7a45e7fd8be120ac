//! `--network` of services: `back`, or `name=back,alias=db,driver-opt=a=b`.

use super::bad_service::BadService;
use super::mount::split_fields;
use clap::Args;
use common::container::ContainerNetwork;
use common::network::Attachment;
use common::service::TaskSpec;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct BadAttachment(String);

fn bad<T>(reason: impl Into<String>) -> Result<T, BadAttachment> {
    Err(BadAttachment(reason.into()))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct NetworkWish {
    /// `host` and `none` are each node's own.
    name: String,
    attachment: Attachment,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NetworkFlags {
    /// A network by which it reaches others, as in back or name=back,alias=db; host: the node's
    /// own; none: no network at all
    #[arg(long = "network", value_name = "NETWORK", value_parser = parse_network)]
    networks: Vec<NetworkWish>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NetworkUpdateFlags {
    /// A network by which it reaches others, as in back or name=back,alias=db
    #[arg(long = "network-add", value_name = "NETWORK", value_parser = parse_network)]
    networks_added: Vec<NetworkWish>,
    /// Takes it off a network
    #[arg(long = "network-rm", value_name = "NETWORK")]
    networks_removed: Vec<String>,
}

impl NetworkFlags {
    pub(super) fn apply(&self, task: &mut TaskSpec) -> Result<(), BadService> {
        attach(task, &self.networks)
    }
}

impl NetworkUpdateFlags {
    pub(super) fn apply(&self, task: &mut TaskSpec) -> Result<(), BadService> {
        for name in &self.networks_removed {
            if of_node(name).is_some_and(|it| it == task.container.network) {
                task.container.network = ContainerNetwork::Engine;
            }
            let is_id = |it: &Attachment| it.network.is_some_and(|it| it.to_string() == *name);
            task.networks.retain(|known, it| known != name && !is_id(it));
        }
        attach(task, &self.networks_added)
    }

    /// Whether somebody asks for more than there was.
    pub(in crate::cli) fn attaches(&self) -> bool {
        self.networks_added.iter().any(|it| of_node(&it.name).is_none())
    }
}

fn of_node(name: &str) -> Option<ContainerNetwork> {
    match name {
        "host" => Some(ContainerNetwork::Host),
        "none" => Some(ContainerNetwork::None),
        _ => None,
    }
}

fn attach(task: &mut TaskSpec, wishes: &[NetworkWish]) -> Result<(), BadService> {
    for NetworkWish { name, attachment } in wishes {
        match of_node(name) {
            Some(network) => task.container.network = network,
            None => {
                task.networks.insert(name.clone(), attachment.clone());
            }
        }
    }
    if task.container.network != ContainerNetwork::Engine && !task.networks.is_empty() {
        return Err(BadService::NetworkOfNodeAndOthers(task.container.network.as_str()));
    }
    Ok(())
}

fn parse_network(text: &str) -> Result<NetworkWish, BadAttachment> {
    let mut wish = NetworkWish { name: String::new(), attachment: Attachment::default() };
    if text.contains('=') {
        for field in split_fields(text).map_err(|it| BadAttachment(it.to_string()))? {
            wish.put(&field)?;
        }
    } else {
        text.clone_into(&mut wish.name);
    }
    if wish.name.is_empty() {
        return bad("a name is missing: NETWORK or name=NETWORK,alias=… is expected");
    }
    if of_node(&wish.name).is_some() && wish.attachment != Attachment::default() {
        return bad(format!("`{}` is the node's own, and nothing can be said of it", wish.name));
    }
    Ok(wish)
}

impl NetworkWish {
    fn put(&mut self, field: &str) -> Result<(), BadAttachment> {
        let Some((key, value)) = field.split_once('=') else {
            return bad(format!("`{field}` is not understood: KEY=VALUE is expected"));
        };
        match key.to_ascii_lowercase().as_str() {
            "name" if self.name.is_empty() => value.clone_into(&mut self.name),
            "name" => return bad("`name` is said twice"),
            "alias" => self.attachment.aliases.push(value.to_owned()),
            "driver-opt" => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                self.attachment.driver_options.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                return bad(format!(
                    "there is no option `{key}`: there are name, alias and driver-opt"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_forms() {
        let wish = |name: &str, attachment| NetworkWish { name: name.to_owned(), attachment };
        let full = Attachment {
            aliases: vec!["db".to_owned(), "sql".to_owned()],
            driver_options: [("a".to_owned(), "b=c".to_owned())].into(),
            ..Attachment::default()
        };
        for (text, expected) in [
            ("back", wish("back", Attachment::default())),
            ("name=back", wish("back", Attachment::default())),
            ("name=back,alias=db,alias=sql,driver-opt=a=b=c", wish("back", full)),
            ("host", wish("host", Attachment::default())),
        ] {
            assert_eq!(parse_network(text), Ok(expected), "{text}");
        }
        for (text, words) in [
            ("", "a name is missing"),
            ("alias=db", "a name is missing"),
            ("name=a,name=b", "`name` is said twice"),
            ("name=a,ip=b", "there is no option `ip`"),
            ("name=host,alias=b", "`host` is the node's own"),
        ] {
            let said = parse_network(text).expect_err(text).to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
