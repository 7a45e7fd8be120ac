//! `--secret` and `--config` of services: `source`, or
//! `source=db-password,target=password,uid=1000,gid=1000,mode=0400`.

use super::mount::split_fields;
use clap::Args;
use common::file::{FileKind, GRANT_MODE_DEFAULT, Grant};
use proto::convert::Shown;

#[derive(Debug, Args)]
pub(in crate::cli) struct GrantFlags {
    /// A secret for its containers, below /run/secrets where no other target is given
    #[arg(long = "secret", value_name = "SECRET", value_parser = parse_grant)]
    secrets: Vec<GrantWish>,
    /// A config for its containers, in / where no other target is given
    #[arg(long = "config", value_name = "CONFIG", value_parser = parse_grant)]
    configs: Vec<GrantWish>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct GrantUpdateFlags {
    /// A secret for its containers
    #[arg(long = "secret-add", value_name = "SECRET", value_parser = parse_grant)]
    secrets_added: Vec<GrantWish>,
    /// Takes a secret away, by its name or ID
    #[arg(long = "secret-rm", value_name = "SECRET")]
    secrets_removed: Vec<String>,
    /// A config for its containers
    #[arg(long = "config-add", value_name = "CONFIG", value_parser = parse_grant)]
    configs_added: Vec<GrantWish>,
    /// Takes a config away, by its name or ID
    #[arg(long = "config-rm", value_name = "CONFIG")]
    configs_removed: Vec<String>,
}

/// Wishes by what they are for.
pub(in crate::cli) type GrantWishes<'a> = [(FileKind, &'a [GrantWish]); 2];

impl GrantFlags {
    pub(in crate::cli) fn wishes(&self) -> GrantWishes<'_> {
        [(FileKind::Secret, &self.secrets), (FileKind::Config, &self.configs)]
    }
}

impl GrantUpdateFlags {
    pub(in crate::cli) fn wishes(&self) -> GrantWishes<'_> {
        [(FileKind::Secret, &self.secrets_added), (FileKind::Config, &self.configs_added)]
    }

    /// Before others are added, so that one flag may give away what another one takes.
    pub(super) fn remove(&self, grants: &mut Vec<Grant>) {
        grants.retain(|it| {
            let removed = match it.kind {
                FileKind::Secret => &self.secrets_removed,
                FileKind::Config => &self.configs_removed,
            };
            !removed.iter().any(|given| *given == it.name.as_str() || *given == it.file.to_string())
        });
    }
}

/// As typed: which file is meant, the managers know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct GrantWish {
    pub(in crate::cli) source: String,
    target: Option<String>,
    uid: u32,
    gid: u32,
    mode: u32,
}

impl GrantWish {
    pub(in crate::cli) fn meaning(&self, file: &Shown) -> Grant {
        let plain = Grant::of(file.id, file.kind, file.name.clone());
        Grant {
            target: self.target.clone().unwrap_or(plain.target),
            uid: self.uid,
            gid: self.gid,
            mode: self.mode,
            ..plain
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct BadGrant(String);

fn bad<T>(reason: impl Into<String>) -> Result<T, BadGrant> {
    Err(BadGrant(reason.into()))
}

#[derive(Default)]
struct Fields {
    source: Option<String>,
    target: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
}

pub(in crate::cli) fn parse_grant(text: &str) -> Result<GrantWish, BadGrant> {
    let mut fields = Fields::default();
    let parts = split_fields(text).map_err(|it| BadGrant(it.to_string()))?;
    match &parts[..] {
        [only] if !only.contains('=') => fields.source = Some(only.clone()),
        several => several.iter().try_for_each(|it| fields.put(it))?,
    }
    match fields.source {
        Some(source) if !source.is_empty() => Ok(GrantWish {
            source,
            target: fields.target,
            uid: fields.uid.unwrap_or(0),
            gid: fields.gid.unwrap_or(0),
            mode: fields.mode.unwrap_or(GRANT_MODE_DEFAULT),
        }),
        Some(_) | None => bad("a source is missing: NAME or source=NAME,target=… is expected"),
    }
}

impl Fields {
    fn put(&mut self, field: &str) -> Result<(), BadGrant> {
        let Some((key, value)) = field.split_once('=') else {
            return bad(format!("`{field}` is not understood: KEY=VALUE is expected"));
        };
        let is_new = match key.to_ascii_lowercase().as_str() {
            "source" | "src" => self.source.replace(value.to_owned()).is_none(),
            "target" => self.target.replace(value.to_owned()).is_none(),
            "uid" => self.uid.replace(parse_owner(key, value)?).is_none(),
            "gid" => self.gid.replace(parse_owner(key, value)?).is_none(),
            "mode" => self.mode.replace(parse_mode(value)?).is_none(),
            _ => {
                return bad(format!(
                    "there is no option `{key}`: there are source, target, uid, gid and mode"
                ));
            }
        };
        if is_new { Ok(()) } else { bad(format!("`{key}` is said twice")) }
    }
}

/// Names of users are those of the image, which nobody looks into.
fn parse_owner(key: &str, value: &str) -> Result<u32, BadGrant> {
    let number = value.parse().ok();
    number.ok_or_else(|| BadGrant(format!("{key}: `{value}` is not a number such as 1000")))
}

/// Always octal, where Docker takes `444` for a decimal number, which nobody means.
fn parse_mode(value: &str) -> Result<u32, BadGrant> {
    let digits = value.strip_prefix("0o").unwrap_or(value);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|it| *it <= 0o777);
    mode.ok_or_else(|| BadGrant(format!("mode: `{value}` are no permissions such as 0440")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::{FileId, Stamp, Version};

    fn shown() -> Shown {
        Shown {
            id: FileId(5),
            version: Version(1),
            created: Stamp::default(),
            updated: Stamp::default(),
            kind: FileKind::Secret,
            name: "db-password".parse().expect("a name"),
            labels: std::collections::BTreeMap::new(),
            stack: None,
            digest: common::file::Digest([0; 32]),
            content: None,
        }
    }

    #[test]
    fn short_and_long_forms() {
        let plain = Grant::of(FileId(5), FileKind::Secret, shown().name);
        let cases = [
            ("db-password", plain.clone()),
            ("source=db-password", plain.clone()),
            ("src=db,target=pw", Grant { target: "pw".to_owned(), ..plain.clone() }),
            (
                "source=db,\"target=/a,b\",uid=1000,gid=5,mode=0400",
                Grant {
                    target: "/a,b".to_owned(),
                    uid: 1000,
                    gid: 5,
                    mode: 0o400,
                    ..plain.clone()
                },
            ),
            ("source=db,mode=440", Grant { mode: 0o440, ..plain.clone() }),
            ("source=db,mode=0o440", Grant { mode: 0o440, ..plain }),
        ];
        for (text, expected) in cases {
            let wish = parse_grant(text).expect(text);
            assert_eq!(wish.meaning(&shown()), expected, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, words) in [
            ("", "a source is missing"),
            ("target=a", "a source is missing"),
            ("source=", "a source is missing"),
            ("a,b", "`a` is not understood"),
            ("source=a,source=b", "`source` is said twice"),
            ("source=a,uid=root", "uid: `root` is not a number"),
            ("source=a,gid=-1", "gid: `-1` is not a number"),
            ("source=a,mode=0999", "mode: `0999`"),
            ("source=a,mode=4755", "mode: `4755`"),
            ("source=a,dst=b", "there is no option `dst`"),
        ] {
            let said = parse_grant(text).expect_err(text).to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
