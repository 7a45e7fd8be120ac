//! Names that services use and nobody declares.

use crate::node::{Node, Position};
use crate::problem::{Fault, Report, quote};
use crate::schema::probable;

/// Kinds of which services hold lists of grants or mounts.
const LISTS: [(&str, &str); 3] =
    [("volume", "volumes"), ("config", "configs"), ("secret", "secrets")];

pub(crate) fn check(tree: &Node, report: &mut Report) {
    for (_, entry) in tree.map_at("services") {
        let service = &entry.node;
        for (name, attachment) in service.map_at("networks").filter(|(name, _)| *name != "default")
        {
            declared(tree, ("network", "networks"), (name, attachment.at), report);
        }
        for (one, kind) in LISTS {
            let items = service.get(kind).and_then(Node::as_list).unwrap_or_default();
            // Of mounts, only volumes are declared.
            let declarable = |it: &&Node| {
                kind != "volumes" || it.get("type").and_then(Node::as_text) == Some("volume")
            };
            for source in items.iter().filter(declarable).filter_map(|it| it.get("source")) {
                if let Some(name) = source.as_text() {
                    declared(tree, (one, kind), (name, source.at), report);
                }
            }
        }
    }
}

fn declared(
    tree: &Node,
    (one, kind): (&str, &str),
    (name, at): (&str, Position),
    report: &mut Report,
) {
    let known = tree.get(kind).and_then(Node::as_map);
    if report.is_full() || name.is_empty() || known.is_some_and(|known| known.contains_key(name)) {
        return;
    }
    let fault = Fault::new(at, format!("{one} {} is not declared", quote(name)));
    let names = known.into_iter().flatten().map(|(name, _)| name.as_str());
    report.error(match probable(name, names) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None if name.contains('/') => {
            fault.hint(format!("a path begins with `./`, as in {}", quote(&format!("./{name}"))))
        }
        None => fault.hint(format!("declare it under the top-level `{kind}`")),
    });
}
