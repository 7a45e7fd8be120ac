//! Configs and secrets as whoever makes them needs to know them.

use super::stack_labels;
use crate::load::Loaded;
use crate::model::{Content, File, Named, Owner, Pairs};
use crate::problem::{Fault, Problems, Report, quote};
use common::Name;
use common::file::FileKind;

#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredFile {
    pub kind: FileKind,
    /// By which the project knows it.
    pub key: String,
    /// By which the cluster knows it.
    pub name: Name,
    pub labels: Pairs,
    /// None: it is external, and there already.
    pub content: Option<Content>,
}

/// Those that services of the project use.
pub fn files(loaded: &Loaded) -> Result<Vec<DeclaredFile>, Problems> {
    let mut report = Report::default();
    let mut found = Vec::new();
    let kinds: [(FileKind, &str, &Named<File>); 2] = [
        (FileKind::Config, "configs", &loaded.project.configs),
        (FileKind::Secret, "secrets", &loaded.project.secrets),
    ];
    for (kind, list, files) in kinds {
        for (key, file) in files {
            let labels = match &file.owner {
                Owner::Stack { .. } => stack_labels(loaded, &file.labels),
                Owner::External { .. } => Pairs::new(),
            };
            match file.owner.name().parse() {
                Ok(name) => found.push(DeclaredFile {
                    kind,
                    key: key.clone(),
                    name,
                    labels,
                    content: file.content.clone(),
                }),
                Err(common::name::BadName { given, reason }) => {
                    let at = loaded.position(&[list, key, "name"]);
                    let text = format!("{} is not a {kind}'s name: {reason}", quote(&given));
                    report.error(Fault::new(at, text));
                }
            }
        }
    }
    // Nothing of this step is worth a warning.
    loaded.close(report)?;
    Ok(found)
}
