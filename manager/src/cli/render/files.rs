//! `config` and `secret`, `ls` and `inspect`: in Docker's shape.

use super::service_json::VersionJson;
use super::{json_lines, pretty_json, table};
use crate::cli::args::filter::{FileFilter, passes};
use crate::cli::args::format::Format;
use common::calendar::rfc3339;
use common::file::FileKind;
use common::units::display_age;
use common::{FileId, Stamp, Version};
use proto::convert::Shown;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub(in crate::cli) fn matches(file: &Shown, filters: &[FileFilter]) -> bool {
    passes(filters, |filter| match filter {
        FileFilter::Id(id) => file.id.to_string().starts_with(id),
        FileFilter::Name(name) => file.name.as_str().starts_with(name),
        FileFilter::Label(label) => label.matches(&file.labels),
    })
}

/// Those that others of the same name have taken over from. Services that are not deployed anew go
/// on with them, and may go back to them.
pub(in crate::cli) fn old(files: &[Shown]) -> BTreeSet<FileId> {
    let mut newest: BTreeMap<&str, (Version, FileId)> = BTreeMap::new();
    for file in files {
        let known = newest.entry(file.name.as_str()).or_default();
        *known = (*known).max((file.version, file.id));
    }
    let current: BTreeSet<FileId> = newest.into_values().map(|(_, id)| id).collect();
    files.iter().map(|it| it.id).filter(|it| !current.contains(it)).collect()
}

/// All of one kind; of several versions only the newest is had by its name.
pub(in crate::cli) fn list(
    kind: FileKind,
    (files, old): (&[Shown], &BTreeSet<FileId>),
    now: Stamp,
    format: Format,
) -> String {
    let rows = files.iter().map(|it| {
        let mut row = row(it, now);
        if format == Format::Table && old.contains(&it.id) {
            row[1] += " (old)";
        }
        row
    });
    match (format, kind) {
        (Format::Table, FileKind::Config) => {
            table(["ID", "NAME", "CREATED", "UPDATED"], &rows.collect::<Vec<_>>())
        }
        (Format::Table, FileKind::Secret) => {
            let rows: Vec<_> = rows
                .map(|[id, name, created, updated]| [id, name, String::new(), created, updated])
                .collect();
            table(["ID", "NAME", "DRIVER", "CREATED", "UPDATED"], &rows)
        }
        (Format::Json, _) => json_lines(rows.zip(files).map(|(row, file)| {
            let [id, name, created, updated] = row;
            let mut object = json!({
                "ID": id, "Name": name, "CreatedAt": created, "UpdatedAt": updated,
                "Labels": labels(&file.labels), "Current": !old.contains(&file.id),
            });
            if kind == FileKind::Secret {
                object["Driver"] = json!("");
            }
            object
        })),
    }
}

fn row(file: &Shown, now: Stamp) -> [String; 4] {
    let ago = |since: Stamp| format!("{} ago", display_age(since.age(now)));
    [file.id.to_string(), file.name.to_string(), ago(file.created), ago(file.updated)]
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FileJson<'a> {
    #[serde(rename = "ID")]
    id: String,
    version: VersionJson,
    created_at: String,
    updated_at: String,
    spec: SpecJson<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SpecJson<'a> {
    name: &'a str,
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

impl<'a> FileJson<'a> {
    fn of(file: &'a Shown) -> FileJson<'a> {
        FileJson {
            id: file.id.to_string(),
            version: VersionJson { index: file.version.0 },
            created_at: rfc3339(file.created.wall),
            updated_at: rfc3339(file.updated.wall),
            spec: SpecJson {
                name: file.name.as_str(),
                labels: &file.labels,
                data: file.content.as_ref().map(|it| base64(it.bytes())),
            },
        }
    }
}

/// Nobody is shown a secret.
pub(in crate::cli) fn inspect(files: &[Shown]) -> String {
    pretty_json(&files.iter().map(FileJson::of).collect::<Vec<_>>())
}

pub(in crate::cli) fn pretty(file: &Shown) -> String {
    let mut page = format!("ID:\t\t\t{}\nName:\t\t\t{}\n", file.id, file.name);
    let mut line = |text: std::fmt::Arguments<'_>| {
        page.write_fmt(text).expect("a string takes every character");
    };
    if !file.labels.is_empty() {
        line(format_args!("Labels:\n"));
        for (name, value) in &file.labels {
            line(format_args!(" - {name}={value}\n"));
        }
    }
    line(format_args!("Created at:\t\t{}\n", rfc3339(file.created.wall)));
    line(format_args!("Updated at:\t\t{}\n", rfc3339(file.updated.wall)));
    if let Some(content) = &file.content {
        line(format_args!("Data:\n{}\n", String::from_utf8_lossy(content.bytes())));
    }
    page
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let is_padding = digit > chunk.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::file::Digest;
    use common::{Timestamp, WallTime};
    use expect_test::expect;

    fn at(seconds: u64) -> Stamp {
        Stamp { at: Timestamp(seconds * 1_000), wall: WallTime(seconds * 1_000) }
    }

    fn shown(kind: FileKind, name: &str, content: Option<&[u8]>) -> Shown {
        Shown {
            id: FileId(1),
            version: Version(7),
            created: at(0),
            updated: at(290),
            kind,
            name: name.parse().expect("a name"),
            labels: BTreeMap::from([("env".to_owned(), "dev".to_owned())]),
            stack: None,
            digest: Digest([1; 32]),
            content: content.map(|it| it.to_vec().into()),
        }
    }

    #[test]
    fn ls() {
        let none = BTreeSet::new();
        let config = [shown(FileKind::Config, "app.conf", None)];
        expect![[r#"
            ID              NAME       CREATED         UPDATED
            0000000000001   app.conf   5 minutes ago   10 seconds ago
        "#]]
        .assert_eq(&list(FileKind::Config, (&config, &none), at(300), Format::Table));
        let mut newer = shown(FileKind::Config, "app.conf", None);
        (newer.id, newer.version) = (FileId(2), Version(9));
        let [older] = config;
        let both = [older, newer];
        expect![[r#"
            ID              NAME             CREATED         UPDATED
            0000000000001   app.conf (old)   5 minutes ago   10 seconds ago
            0000000000002   app.conf         5 minutes ago   10 seconds ago
        "#]]
        .assert_eq(&list(FileKind::Config, (&both, &old(&both)), at(300), Format::Table));
        expect![[r#"
            {"CreatedAt":"5 minutes ago","Current":false,"ID":"0000000000001","Labels":"env=dev","Name":"app.conf","UpdatedAt":"10 seconds ago"}
            {"CreatedAt":"5 minutes ago","Current":true,"ID":"0000000000002","Labels":"env=dev","Name":"app.conf","UpdatedAt":"10 seconds ago"}
        "#]]
        .assert_eq(&list(FileKind::Config, (&both, &old(&both)), at(300), Format::Json));
        let secret = [shown(FileKind::Secret, "password", None)];
        expect![[r#"
            ID              NAME       DRIVER    CREATED         UPDATED
            0000000000001   password             5 minutes ago   10 seconds ago
        "#]]
        .assert_eq(&list(FileKind::Secret, (&secret, &none), at(300), Format::Table));
        expect![[r#"
            {"CreatedAt":"5 minutes ago","Current":true,"Driver":"","ID":"0000000000001","Labels":"env=dev","Name":"password","UpdatedAt":"10 seconds ago"}
        "#]]
        .assert_eq(&list(FileKind::Secret, (&secret, &none), at(300), Format::Json));
    }

    #[test]
    fn inspect_shows_configs_and_no_secrets() {
        let config = shown(FileKind::Config, "app.conf", Some(b"a=1"));
        expect![[r#"
            [
                {
                    "ID": "0000000000001",
                    "Version": {
                        "Index": 7
                    },
                    "CreatedAt": "1970-01-01T00:00:00.000Z",
                    "UpdatedAt": "1970-01-01T00:04:50.000Z",
                    "Spec": {
                        "Name": "app.conf",
                        "Labels": {
                            "env": "dev"
                        },
                        "Data": "YT0x"
                    }
                }
            ]
        "#]]
        .assert_eq(&inspect(std::slice::from_ref(&config)));
        expect![[r#"
            ID:			0000000000001
            Name:			app.conf
            Labels:
             - env=dev
            Created at:		1970-01-01T00:00:00.000Z
            Updated at:		1970-01-01T00:04:50.000Z
            Data:
            a=1
        "#]]
        .assert_eq(&pretty(&config));
        let secret = inspect(&[shown(FileKind::Secret, "password", None)]);
        assert!(!secret.contains("Data"), "{secret}");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xff, 0xfe, 0xfd], "//79"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn filters() {
        for (text, expected) in
            [("name=app", true), ("name=pp", false), ("label=env", true), ("id=2", false)]
        {
            let filters = [text.parse().expect("a filter")];
            let file = shown(FileKind::Config, "app.conf", None);
            assert_eq!(matches(&file, &filters), expected, "{text}");
        }
    }
}
