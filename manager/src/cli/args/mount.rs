//! `--mount type=bind,source=/srv,target=/data,readonly`.

use common::container::{Access, Mount, MountSource};
use common::units::parse_bytes;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct BadMount(String);

fn bad<T>(reason: impl Into<String>) -> Result<T, BadMount> {
    Err(BadMount(reason.into()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Volume,
    Tmpfs,
}

#[derive(Debug, Default)]
struct Fields {
    kind: Option<Kind>,
    source: Option<String>,
    target: Option<String>,
    access: Access,
    volume_driver: Option<String>,
    volume_options: BTreeMap<String, String>,
    tmpfs_size_bytes: Option<u64>,
    tmpfs_mode: Option<u32>,
}

pub(in crate::cli) fn parse_mount(text: &str) -> Result<Mount, BadMount> {
    let mut fields = Fields::default();
    for field in split_fields(text)? {
        match field.split_once('=') {
            Some((key, value)) => fields.put(&key.to_ascii_lowercase(), Some(value))?,
            None => fields.put(&field.to_ascii_lowercase(), None)?,
        }
    }
    fields.check()?;
    fields.into_mount()
}

/// Fields with commas between; one that stands in quotation marks may hold commas itself.
pub(super) fn split_fields(text: &str) -> Result<Vec<String>, BadMount> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("it begins with one and never shrinks");
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    if is_quoted { bad("a quotation mark is not closed") } else { Ok(fields) }
}

impl Fields {
    fn put(&mut self, key: &str, value: Option<&str>) -> Result<(), BadMount> {
        let is_twice = match key {
            "type" => self.kind.is_some(),
            "source" | "src" => self.source.is_some(),
            "target" | "dst" | "destination" => self.target.is_some(),
            _ => false,
        };
        if is_twice {
            return bad(format!("`{key}` is said twice"));
        }
        match (key, value) {
            ("readonly" | "ro", value) => {
                let is_read_only = parse_flag(key, value)?;
                self.access = if is_read_only { Access::ReadOnly } else { Access::ReadWrite };
            }
            ("volume-nocopy", value) => refuse_unless(!parse_flag(key, value)?, key)?,
            (_, None) => return bad(format!("`{key}` is not understood: KEY=VALUE is expected")),
            ("type", Some(value)) => self.kind = Some(parse_kind(value)?),
            ("source" | "src", Some(value)) => self.source = Some(value.to_owned()),
            ("target" | "dst" | "destination", Some(value)) => {
                self.target = Some(value.to_owned());
            }
            ("volume-driver", Some(value)) => self.volume_driver = Some(value.to_owned()),
            ("volume-opt", Some(value)) => match value.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    self.volume_options.insert(name.to_owned(), value.to_owned());
                }
                Some(_) | None => return bad("volume-opt=NAME=VALUE is expected"),
            },
            ("tmpfs-size", Some(value)) => {
                let size = parse_bytes(value).map_err(|it| BadMount(it.to_string()))?;
                self.tmpfs_size_bytes = Some(size);
            }
            ("tmpfs-mode", Some(value)) => self.tmpfs_mode = Some(parse_mode(value)?),
            // What Docker does on Linux anyway.
            ("consistency", Some(_)) => {}
            ("bind-propagation", Some(value)) => refuse_unless(value == "rprivate", key)?,
            (
                "volume-label" | "volume-subpath" | "bind-nonrecursive" | "bind-recursive"
                | "bind-create-src" | "image-subpath",
                Some(_),
            ) => refuse_unless(false, key)?,
            (_, Some(_)) => return bad(format!("there is no option `{key}`")),
        }
        Ok(())
    }

    /// Options of one type make no sense with another.
    fn check(&self) -> Result<(), BadMount> {
        let kind = self.kind();
        let of_volumes = self.volume_driver.is_some() || !self.volume_options.is_empty();
        let of_tmpfs = self.tmpfs_size_bytes.is_some() || self.tmpfs_mode.is_some();
        if of_volumes && kind != Kind::Volume {
            return bad("volume-driver and volume-opt are for type=volume");
        }
        if of_tmpfs && kind != Kind::Tmpfs {
            return bad("tmpfs-size and tmpfs-mode are for type=tmpfs");
        }
        if kind == Kind::Tmpfs && self.source.is_some() {
            return bad("type=tmpfs takes no source");
        }
        Ok(())
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Volume)
    }

    fn into_mount(self) -> Result<Mount, BadMount> {
        let kind = self.kind();
        let target = match self.target {
            Some(target) if target.starts_with('/') => target,
            Some(target) => return bad(format!("the target `{target}` is not an absolute path")),
            None => return bad("it has no target"),
        };
        let source = match (kind, self.source) {
            (Kind::Bind, Some(path)) if path.starts_with('/') => MountSource::Bind { path },
            (Kind::Bind, Some(path)) => {
                return bad(format!(
                    "the source `{path}` is not an absolute path; for a volume of this name say \
                     type=volume"
                ));
            }
            (Kind::Bind, None) => return bad("type=bind needs a source"),
            (Kind::Volume, Some(name)) if name.contains('/') => {
                return bad(format!(
                    "`{name}` is not the name of a volume; for a folder say type=bind"
                ));
            }
            (Kind::Volume, name) => MountSource::Volume {
                name: name.filter(|it| !it.is_empty()),
                driver: self.volume_driver,
                options: self.volume_options,
            },
            (Kind::Tmpfs, _) => {
                MountSource::Tmpfs { size_bytes: self.tmpfs_size_bytes, mode: self.tmpfs_mode }
            }
        };
        Ok(Mount { target, access: self.access, source })
    }
}

fn refuse_unless(is_served: bool, key: &str) -> Result<(), BadMount> {
    if is_served { Ok(()) } else { bad(format!("{key} comes with a later version")) }
}

fn parse_kind(text: &str) -> Result<Kind, BadMount> {
    match text.to_ascii_lowercase().as_str() {
        "bind" => Ok(Kind::Bind),
        "volume" => Ok(Kind::Volume),
        "tmpfs" => Ok(Kind::Tmpfs),
        _ => bad(format!("there is no type `{text}`: bind, volume or tmpfs is expected")),
    }
}

fn parse_flag(key: &str, value: Option<&str>) -> Result<bool, BadMount> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => bad(format!("{key} is true or false, not `{other}`")),
    }
}

fn parse_mode(text: &str) -> Result<u32, BadMount> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|it| *it <= 0o7777);
    mode.ok_or_else(|| BadMount(format!("`{text}` is not a file mode such as 1777")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: Option<&str>) -> MountSource {
        let name = name.map(str::to_owned);
        MountSource::Volume { name, driver: None, options: BTreeMap::new() }
    }

    fn at(target: &str, source: MountSource) -> Mount {
        Mount { target: target.to_owned(), access: Access::ReadWrite, source }
    }

    #[test]
    fn good_ones() {
        let bind = || MountSource::Bind { path: "/srv".to_owned() };
        let options = [("type", "nfs"), ("o", "addr=10.0.0.1,rw")];
        let nfs = MountSource::Volume {
            name: Some("v".to_owned()),
            driver: Some("local".to_owned()),
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        };
        let tmpfs = MountSource::Tmpfs { size_bytes: Some(1 << 20), mode: Some(0o1777) };
        let cases = [
            ("type=bind,source=/srv,target=/d", at("/d", bind())),
            ("source=v,target=/d", at("/d", volume(Some("v")))),
            ("target=/d,volume-nocopy=false", at("/d", volume(None))),
            ("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777", at("/t", tmpfs)),
            (
                "type=volume,src=v,dst=/d,volume-driver=local,volume-opt=type=nfs,\
                 \"volume-opt=o=addr=10.0.0.1,rw\"",
                at("/d", nfs),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_mount(text), Ok(expected), "{text}");
        }
        for text in ["readonly", "ro", "readonly=true", "ro=1"] {
            let mount = parse_mount(&format!("type=bind,src=/srv,dst=/d,{text}"));
            assert_eq!(mount.map(|it| it.access), Ok(Access::ReadOnly), "{text}");
        }
    }

    #[test]
    fn bad_ones_say_what_is_wrong() {
        let cases = [
            ("", "`` is not understood: KEY=VALUE is expected"),
            ("type=bind,target=/d", "type=bind needs a source"),
            ("type=volume", "it has no target"),
            ("target=d", "the target `d` is not an absolute path"),
            ("type=npipe,target=/d", "there is no type `npipe`: bind, volume or tmpfs is expected"),
            ("type=tmpfs,source=x,target=/d", "type=tmpfs takes no source"),
            (
                "type=bind,source=/s,target=/d,tmpfs-size=1",
                "tmpfs-size and tmpfs-mode are for \
              type=tmpfs",
            ),
            ("source=/s,target=/d", "`/s` is not the name of a volume; for a folder say type=bind"),
            ("target=/d,volume-nocopy", "volume-nocopy comes with a later version"),
            ("target=/d,colour=red", "there is no option `colour`"),
            ("type=tmpfs,target=/d,tmpfs-mode=9", "`9` is not a file mode such as 1777"),
            ("target=/d,\"x", "a quotation mark is not closed"),
        ];
        for (text, reason) in cases {
            assert_eq!(parse_mount(text), Err(BadMount(reason.to_owned())), "{text}");
        }
    }
}
