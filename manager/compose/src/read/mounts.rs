//! `volumes` and `tmpfs` of a service.

use super::fields::Fields;
use crate::model::{Mount, MountKind, PathScope, Propagation};
use crate::problem::{Fault, quote};
use common::units::parse_bytes;
use std::path::PathBuf;

pub(super) fn mounts(fields: &Fields<'_>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = fields.items("volumes").iter().filter_map(mount).collect();
    mounts.extend(fields.parsed_list("tmpfs", tmpfs));
    mounts
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Volume,
    Tmpfs,
}

fn mount(fields: &Fields<'_>) -> Option<Mount> {
    let kinds = [("bind", Kind::Bind), ("volume", Kind::Volume), ("tmpfs", Kind::Tmpfs)];
    if fields.node("type").is_none() {
        let fault = Fault::new(fields.at(), "a mount wants a `type`");
        fields.reader.error(fault.hint("there are bind, volume and tmpfs"));
    }
    let target = match fields.word("target") {
        Some(target) if target.starts_with('/') => Some(target),
        Some(target) => {
            let text = format!("the target {} is not an absolute path", quote(&target));
            fields.reader.error(Fault::new(fields.at(), text));
            None
        }
        None => {
            fields.reader.error(Fault::new(fields.at(), "a mount wants a `target`"));
            None
        }
    };
    let kind = match fields.choice("type", &kinds)? {
        Kind::Bind => bind(fields)?,
        Kind::Volume => volume(fields)?,
        Kind::Tmpfs => {
            let options = fields.object("tmpfs");
            MountKind::Tmpfs {
                bytes: options.and_then(|it| it.bytes("size")),
                mode: options.and_then(|it| it.mode("mode")),
                options: Vec::new(),
            }
        }
    };
    let read_only = fields.flag("read_only").unwrap_or(false);
    Some(Mount { target: target?, read_only, kind })
}

fn bind(fields: &Fields<'_>) -> Option<MountKind> {
    let Some(source) = fields.word("source") else {
        fields.reader.error(Fault::new(fields.at(), "a bind mount wants a `source`"));
        return None;
    };
    let options = fields.object("bind");
    let create = options.and_then(|it| it.flag("create_host_path"));
    let scope = match options.and_then(|it| it.flag("x-this-node")) {
        Some(true) => PathScope::ThisNode,
        Some(false) | None => PathScope::AnyNode,
    };
    Some(MountKind::Bind {
        source: PathBuf::from(source),
        scope,
        create_host_path: create.unwrap_or(true),
        propagation: options.and_then(|it| it.choice("propagation", Propagation::WORDS)),
    })
}

fn volume(fields: &Fields<'_>) -> Option<MountKind> {
    let options = fields.object("volume");
    let nocopy = options.and_then(|it| it.flag("nocopy")).unwrap_or(false);
    let subpath = options.and_then(|it| it.word("subpath"));
    match (fields.word("source"), subpath) {
        (Some(name), subpath) => Some(MountKind::Volume { name, nocopy, subpath }),
        (None, None) => Some(MountKind::Anonymous { nocopy }),
        (None, Some(_)) => {
            let text = "a volume without a `source` has nothing for a `subpath` to be in";
            fields.reader.error(Fault::new(fields.at(), text));
            None
        }
    }
}

/// `/run:size=64m,mode=1777,noexec`
fn tmpfs(text: &str) -> Result<Mount, String> {
    let (target, settings) = text.split_once(':').unwrap_or((text, ""));
    if !target.starts_with('/') {
        return Err(format!("{} is not an absolute path for a tmpfs", quote(target)));
    }
    let (mut bytes, mut mode, mut read_only, mut options) = (None, None, false, Vec::new());
    for setting in settings.split(',').filter(|it| !it.is_empty()) {
        match setting.split_once('=') {
            Some(("size", size)) => {
                let wrong = |_| format!("{} is not the size of a tmpfs", quote(size));
                bytes = Some(parse_bytes(size).map_err(wrong)?);
            }
            Some(("mode", octal)) => {
                let wrong = |_| format!("{} is not a mode such as 1777", quote(octal));
                mode = Some(u32::from_str_radix(octal, 8).map_err(wrong)?);
            }
            None if setting == "ro" => read_only = true,
            None if setting == "rw" => {}
            Some(_) | None => options.push(setting.to_owned()),
        }
    }
    let kind = MountKind::Tmpfs { bytes, mode, options };
    Ok(Mount { target: target.to_owned(), read_only, kind })
}
