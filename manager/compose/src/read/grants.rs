//! Secrets and configs in a container.

use super::fields::Fields;
use crate::model::Grant;
use crate::problem::Fault;

pub(super) fn grants(fields: &Fields<'_>, key: &'static str) -> Vec<Grant> {
    fields.items(key).iter().filter_map(|it| grant(it, key)).collect()
}

fn grant(fields: &Fields<'_>, key: &'static str) -> Option<Grant> {
    let Some(source) = fields.word("source") else {
        if fields.node("source").is_none() {
            let text = format!("an item of `{key}` wants a `source`");
            fields.reader.error(Fault::new(fields.at(), text));
        }
        return None;
    };
    // Configs lie in the root, secrets in a folder of their own.
    let default = if key == "configs" { format!("/{source}") } else { source.clone() };
    Some(Grant {
        target: fields.word("target").unwrap_or(default),
        source,
        uid: fields.word("uid"),
        gid: fields.word("gid"),
        mode: fields.mode("mode"),
    })
}
