//! `--cap-add` and `--cap-drop`.

use clap::Args;
use common::container::Kernel;
use std::collections::BTreeSet;

const ALL: &str = "ALL";
/// Forgets what was added or dropped before.
const RESET: &str = "RESET";

#[derive(Debug, Default, Args)]
pub(in crate::cli) struct CapabilityFlags {
    /// A capability to have beside the usual ones, or ALL
    #[arg(long = "cap-add", value_name = "CAPABILITY", value_parser = parse_capability)]
    added: Vec<String>,
    /// A usual capability not to have, or ALL
    #[arg(long = "cap-drop", value_name = "CAPABILITY", value_parser = parse_capability)]
    dropped: Vec<String>,
}

/// `net_admin` as the kernel writes it; which ones there are, the managers know.
fn parse_capability(text: &str) -> Result<String, std::convert::Infallible> {
    let name = text.trim().to_ascii_uppercase();
    let is_whole = name == ALL || name == RESET || name.starts_with("CAP_");
    Ok(if is_whole { name } else { format!("CAP_{name}") })
}

impl CapabilityFlags {
    /// Adding what was dropped before takes back the dropping and adds nothing, and the other way
    /// round; where one is both added and dropped, it is added.
    pub(in crate::cli::args) fn apply(&self, kernel: &mut Kernel) {
        let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<String>>();
        let (mut to_add, mut to_drop) = (set(&self.added), set(&self.dropped));
        let mut added = set(&kernel.capabilities_added);
        let mut dropped = set(&kernel.capabilities_dropped);
        if to_add.remove(RESET) {
            added.clear();
        }
        if to_drop.remove(RESET) {
            dropped.clear();
        }
        for name in to_drop.difference(&to_add) {
            if !added.remove(name) {
                dropped.insert(name.clone());
            }
        }
        for name in to_add {
            if !dropped.remove(&name) {
                added.insert(name);
            }
        }
        kernel.capabilities_added = listed(added);
        kernel.capabilities_dropped = listed(dropped);
    }
}

fn listed(names: BTreeSet<String>) -> Vec<String> {
    if names.contains(ALL) { vec![ALL.to_owned()] } else { names.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(|it| parse_capability(it).expect("any word")).collect()
    }

    /// (added and dropped before, `--cap-add`s and `--cap-drop`s, added and dropped after)
    const CASES: [[(&str, &str); 3]; 9] = [
        [("", ""), ("net_admin", "cap_chown"), ("NET_ADMIN", "CHOWN")],
        [("", ""), ("CHOWN", "CHOWN"), ("CHOWN", "")],
        [("", "CHOWN"), ("CHOWN", ""), ("", "")],
        [("NET_ADMIN", ""), ("", "NET_ADMIN"), ("", "")],
        [("NET_ADMIN", "CHOWN"), ("", ""), ("NET_ADMIN", "CHOWN")],
        [("NET_ADMIN", "CHOWN"), ("RESET", ""), ("", "CHOWN")],
        [("NET_ADMIN", "CHOWN"), ("RESET SYS_TIME", "RESET"), ("SYS_TIME", "")],
        [("NET_ADMIN", ""), ("all", ""), ("ALL", "")],
        [("SYS_TIME", ""), ("", "ALL"), ("SYS_TIME", "ALL")],
    ];

    #[test]
    fn adding_and_dropping() {
        for case in CASES {
            let [before, said, after] = case.map(|(added, dropped)| (words(added), words(dropped)));
            let mut kernel = Kernel {
                capabilities_added: before.0,
                capabilities_dropped: before.1,
                ..Kernel::default()
            };
            CapabilityFlags { added: said.0, dropped: said.1 }.apply(&mut kernel);
            let found = (kernel.capabilities_added, kernel.capabilities_dropped);
            assert_eq!(found, after, "{case:?}");
        }
    }
}
