//! What users ask of configs and secrets, checked against the state and turned into changes.

use crate::change::{Change, FileChange};
use crate::files::FILES_BYTES_MAX;
use crate::lookup;
use crate::requests::Refused;
use crate::state::State;
use common::file::{File, FileKind, Grant, NewFile};
use common::service::{Former, ServiceSpec};
use common::units::display_bytes;
use common::{FileId, IdGen, Name, Stamp, Version};
use std::collections::{BTreeMap, BTreeSet};

/// A file that changes who somebody is has no business among these.
const PERMISSIONS_MAX: u32 = 0o777;

type Answer<T> = Result<T, Refused>;

pub fn create(state: &State, new: NewFile, ids: &mut IdGen) -> Answer<(FileId, Vec<Change>)> {
    let kind = new.content.kind();
    if state.file_named(kind, new.name.as_str()).is_some() {
        let name = &new.name;
        return Err(Refused::Conflict(format!(
            "a {kind} named {name} exists already: choose another name, or remove that one with \
             `skep {kind} rm {name}`"
        )));
    }
    let file = checked(state, new, ids.file())?;
    Ok((file.id, vec![Change::File(FileChange::Create(Box::new(file)))]))
}

/// One that may be kept, if its name may be its own.
pub(crate) fn checked(state: &State, new: NewFile, id: FileId) -> Answer<File> {
    check_length(&new)?;
    check_labels(&new.labels)?;
    let others = state.files_bytes();
    if others + new.content.blob().bytes().len() > FILES_BYTES_MAX {
        return Err(Refused::Conflict(format!(
            "with it the configs and secrets of the cluster would take more than {}, the maximum, \
             for every manager holds them in memory: remove some (`skep config rm`, `skep secret \
             rm`), or put what is large into a volume or an image",
            display_bytes(FILES_BYTES_MAX as u64)
        )));
    }
    Ok(File {
        id,
        version: Version::default(),
        created: Stamp::default(),
        updated: Stamp::default(),
        name: new.name,
        labels: new.labels,
        stack: new.stack,
        digest: new.digest,
        content: new.content,
    })
}

fn check_length(new: &NewFile) -> Answer<()> {
    let (kind, name, length) = (new.content.kind(), &new.name, new.content.length());
    let most = kind.bytes_max();
    match length {
        0 => Err(Refused::Invalid(format!("{kind} {name} is empty: it has to hold something"))),
        _ if length > most => Err(Refused::Invalid(format!(
            "{kind} {name} has {}, and a {kind} may have {} at most: put what is larger into a \
             volume or an image",
            display_bytes(length as u64),
            display_bytes(most as u64)
        ))),
        _ => Ok(()),
    }
}

fn check_labels(labels: &BTreeMap<String, String>) -> Answer<()> {
    match labels.keys().find(|it| it.is_empty() || it.contains(char::is_whitespace)) {
        Some(bad) => Err(Refused::Invalid(format!("`{bad}` is not a label: NAME=value is"))),
        None => Ok(()),
    }
}

/// All of it or nothing; what is in use stays.
pub fn remove(state: &State, kind: FileKind, given: &[String]) -> Answer<Vec<Change>> {
    let mut seen = BTreeSet::new();
    for given in given {
        let file = lookup::file(state, kind, given)?;
        if let Some(conflict) = state.conflict_of_use(file) {
            return Err(Refused::Conflict(conflict.to_string()));
        }
        seen.insert(file.id);
    }
    Ok(seen.into_iter().map(|file| Change::File(FileChange::Remove { file })).collect())
}

/// The one thing about a file that may change.
pub fn set_labels(
    state: &State,
    kind: FileKind,
    given: &str,
    labels: BTreeMap<String, String>,
) -> Answer<Vec<Change>> {
    check_labels(&labels)?;
    let file = lookup::file(state, kind, given)?;
    if file.labels == labels {
        return Ok(Vec::new());
    }
    let change = FileChange::SetLabels { file: file.id, base: file.version, labels };
    Ok(vec![Change::File(change)])
}

/// Whether the files are there that a service gives to its tasks.
pub fn check_grants(state: &State, spec: &ServiceSpec) -> Answer<()> {
    state.check_grants(spec).map_err(|it| Refused::Conflict(it.to_string()))
}

/// A service that goes back wants the versions that it had then, which somebody may have removed.
pub fn check_former(state: &State, name: &Name, former: &Former) -> Answer<()> {
    let grants = &former.spec.task.container.grants;
    let Some(gone) = grants.iter().find(|it| state.file(it.file).is_none()) else { return Ok(()) };
    let number = former.number;
    Err(Refused::Conflict(format!(
        "the version of {} {} that version {number} of {name} used was removed: go back to \
         another version (`skep service history {name}` lists them, `skep service rollback --to` \
         takes one), or update the service",
        gone.kind, gone.name
    )))
}

/// Whether they can lie where they are wanted, whatever the state is.
pub fn check_targets(spec: &ServiceSpec) -> Answer<()> {
    let container = &spec.task.container;
    let mut taken: BTreeSet<String> =
        container.mounts.iter().map(|it| it.target.trim_end_matches('/').to_owned()).collect();
    for grant in &container.grants {
        check_target(grant)?;
        let (kind, name, path) = (grant.kind, &grant.name, grant.path());
        if !taken.insert(path.clone()) {
            return Err(Refused::Invalid(format!(
                "{kind} {name}: something else has the target {path} already; choose another one \
                 with target="
            )));
        }
        if grant.mode > PERMISSIONS_MAX {
            return Err(Refused::Invalid(format!(
                "{kind} {name}: {:o} are no permissions: 0444 and the like are",
                grant.mode
            )));
        }
    }
    Ok(())
}

fn check_target(grant: &Grant) -> Answer<()> {
    let target = &grant.target;
    let relative = target.strip_prefix('/').unwrap_or(target);
    let is_good = |part: &str| !matches!(part, "" | "." | "..");
    if relative.split('/').all(is_good) && !target.contains(char::is_control) {
        return Ok(());
    }
    Err(Refused::Invalid(format!(
        "{} {}: `{target}` is not a target: a file's name or its absolute path is, without `..`",
        grant.kind, grant.name
    )))
}
