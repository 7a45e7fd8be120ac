//! `--mount type=bind,source=/srv,target=/data,readonly`.

use super::pairs::parse_label;
use common::container::{
    Access, BindMount, MissingPath, Mount, MountSource, Propagation, Recursion, TmpfsMount,
    VolumeMount,
};
use common::units::parse_bytes;

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

/// What is none was not said.
#[derive(Debug, Default)]
struct Fields {
    kind: Option<Kind>,
    source: Option<String>,
    target: Option<String>,
    access: Access,
    bind: BindMount,
    volume: VolumeMount,
    tmpfs: TmpfsMount,
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
            ("volume-nocopy", value) => self.volume.nocopy = parse_flag(key, value)?,
            ("bind-nonrecursive", value) => {
                if parse_flag(key, value)? {
                    self.bind.recursion = Recursion::Disabled;
                }
            }
            ("bind-create-src", value) => {
                if parse_flag(key, value)? {
                    self.bind.missing = MissingPath::Create;
                }
            }
            (_, None) => return bad(format!("`{key}` is not understood: KEY=VALUE is expected")),
            ("type", Some(value)) => self.kind = Some(parse_kind(value)?),
            ("source" | "src", Some(value)) => self.source = Some(value.to_owned()),
            ("target" | "dst" | "destination", Some(value)) => {
                self.target = Some(value.to_owned());
            }
            // What Docker does on Linux anyway.
            ("consistency", Some(_)) => {}
            (_, Some(value)) => self.put_option(key, value)?,
        }
        Ok(())
    }

    /// What is said to one type of mount only.
    fn put_option(&mut self, key: &str, value: &str) -> Result<(), BadMount> {
        match key {
            "bind-propagation" => {
                self.bind.propagation = Some(parse_word(key, value, Propagation::WORDS)?);
            }
            "bind-recursive" => {
                self.bind.recursion = parse_word(key, value, Recursion::WORDS)?;
            }
            "volume-driver" => self.volume.driver = Some(value.to_owned()),
            "volume-subpath" => self.volume.subpath = Some(value.to_owned()),
            "volume-opt" => match value.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    self.volume.options.insert(name.to_owned(), value.to_owned());
                }
                Some(_) | None => return bad("volume-opt=NAME=VALUE is expected"),
            },
            "volume-label" => {
                let (name, value) =
                    parse_label(value).map_err(|it| BadMount(format!("{key}: {it}")))?;
                self.volume.labels.insert(name, value);
            }
            "tmpfs-size" => {
                let size = parse_bytes(value).map_err(|it| BadMount(it.to_string()))?;
                self.tmpfs.size_bytes = Some(size);
            }
            "tmpfs-mode" => self.tmpfs.mode = Some(parse_mode(value)?),
            "tmpfs-opt" => self.tmpfs.options.push(value.to_owned()),
            "image-subpath" => return bad("images are not mounted: copy the files into a volume"),
            _ => return bad(format!("there is no option `{key}`")),
        }
        Ok(())
    }

    /// Options of one type make no sense with another.
    fn check(&self) -> Result<(), BadMount> {
        let kind = self.kind();
        let groups = [
            (Kind::Bind, self.bind == BindMount::default(), "bind-… options are for type=bind"),
            (
                Kind::Volume,
                self.volume == VolumeMount::default(),
                "volume-… options are for type=volume",
            ),
            (
                Kind::Tmpfs,
                self.tmpfs == TmpfsMount::default(),
                "tmpfs-… options are for type=tmpfs",
            ),
        ];
        for (of, is_unsaid, reason) in groups {
            if of != kind && !is_unsaid {
                return bad(reason);
            }
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
            (Kind::Bind, Some(path)) if path.starts_with('/') => {
                MountSource::Bind(BindMount { path, ..self.bind })
            }
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
            (Kind::Volume, name) => MountSource::Volume(VolumeMount {
                name: name.filter(|it| !it.is_empty()),
                ..self.volume
            }),
            (Kind::Tmpfs, _) => MountSource::Tmpfs(self.tmpfs),
        };
        Ok(Mount { target, access: self.access, source })
    }
}

fn parse_word<T: Copy>(key: &str, value: &str, known: &[(&str, T)]) -> Result<T, BadMount> {
    match known.iter().find(|(word, _)| *word == value) {
        Some((_, it)) => Ok(*it),
        None => {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            bad(format!("{key} is one of {}, not `{value}`", words.join(", ")))
        }
    }
}

fn parse_kind(text: &str) -> Result<Kind, BadMount> {
    match text.to_ascii_lowercase().as_str() {
        "bind" => Ok(Kind::Bind),
        "volume" => Ok(Kind::Volume),
        "tmpfs" => Ok(Kind::Tmpfs),
        "image" => bad("images are not mounted: copy the files into a volume"),
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
        MountSource::Volume(VolumeMount { name, ..VolumeMount::default() })
    }

    fn at(target: &str, source: MountSource) -> Mount {
        Mount { target: target.to_owned(), access: Access::ReadWrite, source }
    }

    #[test]
    fn good_ones() {
        let bind = || MountSource::Bind(BindMount::of_path("/srv"));
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let nfs = MountSource::Volume(VolumeMount {
            name: Some("v".to_owned()),
            driver: Some("local".to_owned()),
            options: pairs(&[("type", "nfs"), ("o", "addr=10.0.0.1,rw")]),
            ..VolumeMount::default()
        });
        let part = MountSource::Volume(VolumeMount {
            nocopy: true,
            subpath: Some("a/b".to_owned()),
            labels: pairs(&[("kept", "yes"), ("x", "")]),
            ..VolumeMount::default()
        });
        let made = MountSource::Bind(BindMount {
            missing: MissingPath::Create,
            propagation: Some(Propagation::RecursiveShared),
            recursion: Recursion::Writable,
            ..BindMount::of_path("/srv")
        });
        let flat = MountSource::Bind(BindMount {
            recursion: Recursion::Disabled,
            ..BindMount::of_path("/srv")
        });
        let tmpfs = |options: &[&str]| {
            let options = options.iter().map(|it| (*it).to_owned()).collect();
            MountSource::Tmpfs(TmpfsMount {
                size_bytes: Some(1 << 20),
                mode: Some(0o1777),
                options,
            })
        };
        let cases = [
            ("type=bind,source=/srv,target=/d", at("/d", bind())),
            ("source=v,target=/d", at("/d", volume(Some("v")))),
            ("target=/d,volume-nocopy=false", at("/d", volume(None))),
            ("dst=/d,volume-nocopy,volume-subpath=a/b,volume-label=kept=yes,volume-label=x", {
                at("/d", part)
            }),
            (
                "type=bind,src=/srv,dst=/d,bind-propagation=rshared,bind-recursive=writable,\
                 bind-create-src",
                at("/d", made),
            ),
            ("type=bind,src=/srv,dst=/d,bind-nonrecursive", at("/d", flat)),
            ("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777", at("/t", tmpfs(&[]))),
            (
                "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777,tmpfs-opt=noexec,\
                 tmpfs-opt=uid=7",
                at("/t", tmpfs(&["noexec", "uid=7"])),
            ),
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
            ("type=bind,source=/s,target=/d,tmpfs-size=1", "tmpfs-… options are for type=tmpfs"),
            ("source=/s,target=/d", "`/s` is not the name of a volume; for a folder say type=bind"),
            ("target=/d,bind-propagation=shared", "bind-… options are for type=bind"),
            ("type=tmpfs,target=/d,volume-nocopy", "volume-… options are for type=volume"),
            ("target=/d,volume-nocopy=x", "volume-nocopy is true or false, not `x`"),
            (
                "type=bind,source=/s,target=/d,bind-recursive=maybe",
                "bind-recursive is one of enabled, disabled, writable, readonly, not `maybe`",
            ),
            (
                "type=image,source=s,target=/d",
                "images are not mounted: copy the files into a volume",
            ),
            ("target=/d,volume-label==x", "volume-label: NAME=value is expected"),
            ("target=/d,colour=red", "there is no option `colour`"),
            ("type=tmpfs,target=/d,tmpfs-mode=9", "`9` is not a file mode such as 1777"),
            ("target=/d,\"x", "a quotation mark is not closed"),
        ];
        for (text, reason) in cases {
            assert_eq!(parse_mount(text), Err(BadMount(reason.to_owned())), "{text}");
        }
    }
}
