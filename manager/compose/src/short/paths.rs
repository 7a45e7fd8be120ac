//! `SOURCE:TARGET:MODE` of volumes and devices.

use crate::node::{Node, Value};
use crate::problem::{Fault, Report, quote};

const EXPECTED: &str = "write [SOURCE:]TARGET[:MODE], the target being an absolute path; sources \
                        whose names have colons in them need the long form";

pub(super) fn volume(text: Node, item: &Node, report: &mut Report) -> Option<Node> {
    let given = text.as_text().unwrap_or_default();
    let found = read_volume(item, given);
    found
        .map_err(|reason| {
            let fault = format!("{} is not a volume: {reason}", quote(given));
            report.error(Fault::new(item.at, fault).hint(EXPECTED));
        })
        .ok()
}

fn read_volume(item: &Node, given: &str) -> Result<Node, String> {
    let at = item.at;
    let parts: Vec<&str> = given.split(':').collect();
    let (source, target, modes) = match parts[..] {
        [target] => (None, target, ""),
        // `TARGET:ro` has no source.
        [target, modes]
            if target.starts_with('/') && !modes.starts_with('/') && is_modes(modes) =>
        {
            (None, target, modes)
        }
        [source, target] => (Some(source), target, ""),
        [source, target, modes] => (Some(source), target, modes),
        _ => return Err("it has too many colons".to_owned()),
    };
    if source == Some("") {
        return Err("nothing stands before the first colon".to_owned());
    }
    if !target.starts_with('/') {
        return Err("its target is not an absolute path".to_owned());
    }
    let is_path = source.is_some_and(|it| it.starts_with(['/', '.', '~']));
    let mut entries = vec![
        ("type", Node::quoted(at, if is_path { "bind" } else { "volume" })),
        ("target", Node::quoted(at, target)),
    ];
    entries.extend(source.map(|source| ("source", Node::quoted(at, source))));
    let mut bind = Vec::new();
    let mut volume = Vec::new();
    // Said in any case: `rw` in a later file takes back the `ro` of an earlier one.
    let mut read_only = "false";
    for mode in modes.split(',').filter(|mode| !mode.is_empty()) {
        match mode {
            "rw" => {}
            "ro" => read_only = "true",
            "z" | "Z" => bind.push(("selinux", Node::quoted(at, mode))),
            "nocopy" => volume.push(("nocopy", Node::plain(at, "true"))),
            "cached" | "delegated" | "consistent" => {
                entries.push(("consistency", Node::quoted(at, mode)));
            }
            mode if PROPAGATIONS.contains(&mode) => {
                bind.push(("propagation", Node::quoted(at, mode)));
            }
            mode => return Err(format!("there is no mode {}", quote(mode))),
        }
    }
    entries.push(("read_only", Node::plain(at, read_only)));
    if is_path {
        bind.push(("create_host_path", Node::plain(at, "true")));
    }
    // Of a volume it says nothing, and whoever wrote it is told.
    if !bind.is_empty() {
        entries.push(("bind", Node::map_of(at, bind)));
    }
    if !is_path && !volume.is_empty() {
        entries.push(("volume", Node::map_of(at, volume)));
    }
    Ok(Node::map_of(at, entries))
}

const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

fn is_modes(text: &str) -> bool {
    const MODES: [&str; 8] = ["rw", "ro", "z", "Z", "nocopy", "cached", "delegated", "consistent"];
    text.split(',').all(|mode| MODES.contains(&mode) || PROPAGATIONS.contains(&mode))
}

pub(super) fn device(text: Node, item: &Node, report: &mut Report) -> Option<Node> {
    let given = text.as_text().unwrap_or_default();
    let parts: Vec<&str> = given.split(':').collect();
    let (source, target, permissions) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, access] if !access.starts_with('/') => (source, source, access),
        [source, target] => (source, target, "rwm"),
        [source, target, permissions] => (source, target, permissions),
        _ => ("", "", ""),
    };
    if source.is_empty() || target.is_empty() {
        report.error(
            Fault::new(item.at, format!("{} is not a device", quote(given))).hint(
                "write SOURCE[:TARGET[:PERMISSIONS]], for example /dev/ttyUSB0:/dev/modem:rw",
            ),
        );
        return None;
    }
    let entry = |text: &str| Node::quoted(item.at, text);
    let entries = vec![
        ("source", entry(source)),
        ("target", entry(target)),
        ("permissions", entry(permissions)),
    ];
    Some(Node::map_of(item.at, entries))
}

impl Node {
    /// The entries of a map, to build another from.
    pub(super) fn map_entries(&self) -> Vec<(&str, Node)> {
        match &self.value {
            Value::Map(map) => {
                map.iter().map(|(key, it)| (key.as_str(), it.node.clone())).collect()
            }
            Value::Null | Value::Text(_) | Value::List(_) => Vec::new(),
        }
    }
}
