//! What people and programs are shown. Values in, text out; nothing here calls or prints.

pub(super) mod cluster;
pub(super) mod files;
mod generic_json;
mod grants_json;
pub(super) mod history;
pub(super) mod logs;
pub(super) mod networks;
pub(super) mod node_json;
pub(super) mod nodes;
mod ports;
pub(super) mod progress;
pub(super) mod service_json;
pub(super) mod service_page;
pub(super) mod services;
pub(super) mod stacks;
pub(super) mod tasks;
pub(super) mod volumes;

#[cfg(test)]
pub(super) mod samples;

use common::image::ImageRef;
use std::io::Write;
use tabwriter::TabWriter;

/// Columns as Docker sets them: three blanks between, and none narrower than ten with them.
fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut text = header.join("\t");
    text.push('\n');
    for row in rows {
        let cells: Vec<String> = row.iter().map(|it| one_line(it)).collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    let mut writer = TabWriter::new(Vec::new()).minwidth(7).padding(3);
    writer.write_all(text.as_bytes()).expect("a vector takes every byte");
    let bytes = writer.into_inner().expect("a vector is flushed without fail");
    let text = String::from_utf8(bytes).expect("blanks between UTF-8 leave it UTF-8");
    // An empty last column is no reason for blanks at the end.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A message of another program may hold what would tear a line apart or steer the terminal.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// One object a line.
fn json_lines(objects: impl Iterator<Item = serde_json::Value>) -> String {
    objects.map(|it| format!("{it}\n")).collect()
}

fn pretty_json<T: serde::Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer).expect("our own structs have text as keys");
    let mut text = String::from_utf8(bytes).expect("JSON is UTF-8");
    text.push('\n');
    text
}

/// As `docker` shows it: without what is the default anyway, and without a digest behind a tag.
fn image_for_people(given: &str) -> String {
    let Ok(image) = given.parse::<ImageRef>() else {
        return given.to_owned();
    };
    if let Some((tagged, _)) = given.split_once('@') {
        let last = tagged.rsplit('/').next().unwrap_or(tagged);
        return if last.contains(':') { tagged.to_owned() } else { given.to_owned() };
    }
    let full = image.full();
    let familiar = full.strip_prefix("docker.io/library/");
    familiar.or_else(|| full.strip_prefix("docker.io/")).unwrap_or(full).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn tables_stand_as_docker_s_do() {
        let rows = [["a".to_owned(), "long enough for it".to_owned(), String::new()]];
        expect![[r#"
            ID        NAME                 PORTS
            a         long enough for it
        "#]]
        .assert_eq(&table(["ID", "NAME", "PORTS"], &rows));
        let torn = [["a\nb\tc\u{1b}[31m".to_owned()]];
        expect![[r#"
            ERROR
            a b c [31m
        "#]]
        .assert_eq(&table(["ERROR"], &torn));
    }

    #[test]
    fn images() {
        let cases = [
            ("redis", "redis:latest"),
            ("docker.io/me/app:1", "me/app:1"),
            ("ghcr.io/a/b:1@sha256:00", "ghcr.io/a/b:1"),
            ("redis@sha256:00", "redis@sha256:00"),
            ("localhost:5000/a@sha256:00", "localhost:5000/a@sha256:00"),
            ("sha256:00", "sha256:00"),
            ("NONSENSE", "NONSENSE"),
        ];
        for (given, shown) in cases {
            assert_eq!(image_for_people(given), shown);
        }
    }
}
