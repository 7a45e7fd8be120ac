//! Example stacks as people write them: each loads, and what is printed of it means the same.

use crate::door::{Memory, request, shown};
use compose::{Loaded, Problems, Request};
use expect_test::{ExpectFile, expect, expect_file};
use std::path::{Path, PathBuf};

pub(crate) const EXAMPLES: [(&str, &str); 7] = [
    ("assignment.yml", include_str!("../stacks/assignment.yml")),
    ("assignment.env", include_str!("../stacks/assignment.env")),
    ("counter.yml", include_str!("../stacks/counter.yml")),
    ("monitoring.yml", include_str!("../stacks/monitoring.yml")),
    ("shop.yml", include_str!("../stacks/shop.yml")),
    ("survey.yml", include_str!("../stacks/survey.yml")),
    ("workshop.yml", include_str!("../stacks/workshop.yml")),
];

/// What is printed of a project is the same project.
#[track_caller]
fn survives_printing(name: &str, request: &Request, loaded: &Loaded) {
    let json: serde_json::Value = loaded.render_json().parse().expect("JSON is printed");
    for (printed, text) in [("printed.yml", loaded.render()), ("printed.json", json.to_string())] {
        let again = Memory::of(&[(printed, &text)]);
        let mut request = request.clone();
        request.files = vec![PathBuf::from(printed)];
        request.env_files = Vec::new();
        request.stack = None;
        let second = compose::load(&request, &again).expect("what is printed can be read");
        assert_eq!(second.project, loaded.project, "{name} means another thing as {printed}");
    }
}

pub(crate) fn load(name: &str) -> (Request, Result<Loaded, Problems>) {
    let mut request = request(&[name]);
    let variables = Path::new(name).with_extension("env");
    if EXAMPLES.iter().any(|(name, _)| Path::new(name) == variables) {
        request.env_files.push(variables);
    }
    let outcome = compose::load(&request, &Memory::of(&EXAMPLES));
    (request, outcome)
}

#[track_caller]
fn check(name: &str, expected: ExpectFile) {
    let (request, outcome) = load(name);
    if let Ok(loaded) = &outcome {
        survives_printing(name, &request, loaded);
    }
    expected.assert_eq(&shown(&outcome));
}

#[test]
fn each_is_read_as_its_author_meant_it() {
    check("assignment.yml", expect_file!["../stacks/assignment.expected"]);
    check("counter.yml", expect_file!["../stacks/counter.expected"]);
    check("monitoring.yml", expect_file!["../stacks/monitoring.expected"]);
    check("shop.yml", expect_file!["../stacks/shop.expected"]);
    check("survey.yml", expect_file!["../stacks/survey.expected"]);
    check("workshop.yml", expect_file!["../stacks/workshop.expected"]);
}

#[rustfmt::skip] // one to a line is one too many
const ODD: &[&str] = &[
    "null", "~", "", " ", "a ", " a", "a: b", "a #b", "#a", "- a", "-",
    "-1", "--", "---", "...", "?", "? a", "!a", "&a", "*a", "[a", "{a}",
    "a,b", "'a'", "a'b", "it\"s", "\\", "a\\nb", "a\nb", "a\n", "\n", "\t", "\ta",
    "a\r\nb", "é", "\u{85}", "\u{a0}", "\u{2028}", "\u{feff}", "\u{fffe}", "\u{1f600}", "\u{7f}", "\u{1b}[31m", "$A",
    "${A}", "$$", "100%", "%a", "@a", "`a`", "yes", "No", "0400", "0o17", "0x1F",
    "1e3", "1.10", "22:22", ".5", "<<", "=", "a:", ":a", ":", "2024-01-01", "!reset",
];

/// Whatever an author may put into a value or a key comes back out of the printed file.
#[test]
fn odd_values_survive_printing() {
    let long = "k".repeat(2_000);
    for value in ODD.iter().copied().chain([long.as_str()]) {
        let escaped: String = value
            .chars()
            .map(|c| match c {
                '$' => "$$".to_owned(),
                c => format!("\\U{:08x}", c as u32),
            })
            .collect();
        let text = format!(
            "services:\n  a:\n    image: a\n    environment: [\"E={escaped}\"]\n    \
             labels: [\"K{escaped}=v\"]\n    command: [\"{escaped}\"]\n"
        );
        let request = request(&["compose.yml"]);
        let loaded = compose::load(&request, &Memory::of(&[("compose.yml", &text)]));
        let loaded = loaded.unwrap_or_else(|problems| panic!("{value:?}: {problems}"));
        assert_eq!(loaded.project.services["a"].environment["E"], value);
        survives_printing(value, &request, &loaded);
    }
}

/// Whatever else knows YAML or JSON takes `True` or `yes` for text.
#[test]
fn flags_have_one_spelling() {
    let request = request(&["compose.yml"]);
    let text = "services:\n  a:\n    image: a\n    init: True\n    tty: yes\n    read_only: OFF\n    \
                environment: {D: True}\n    volumes: [{type: volume, target: /v, source: v, \
                volume: {nocopy: 'on'}}]\nvolumes: {v: {external: TRUE}}\n";
    let loaded = compose::load(&request, &Memory::of(&[("compose.yml", text)]));
    let loaded = loaded.expect("it is a project");
    survives_printing("flags", &request, &loaded);
    expect![[r#"
        name: demo
        services:
          a:
            environment:
              D: True
            image: a
            init: true
            read_only: false
            tty: true
            volumes:
              - source: v
                target: /v
                type: volume
                volume:
                  nocopy: true
        volumes:
          v:
            external: true
    "#]]
    .assert_eq(&loaded.render());
    let json: serde_json::Value = loaded.render_json().parse().expect("JSON is printed");
    let service = &json["services"]["a"];
    let flags = [&service["init"], &service["tty"], &service["read_only"]];
    assert_eq!(flags.map(serde_json::Value::as_bool), [Some(true), Some(true), Some(false)]);
    // It is text to the program that reads it.
    assert_eq!(service["environment"]["D"], "True");
}

/// Also where nothing is left of a value that there was.
#[test]
fn what_was_taken_away_survives_printing() {
    let request = request(&["compose.yml"]);
    let text = "services:\n  a:\n    image: a\n    volumes: [\"v:/v\"]\nvolumes:\n  v:\n    \
                external:\n      name: !reset v\n";
    let loaded = compose::load(&request, &Memory::of(&[("compose.yml", text)]));
    survives_printing("a name", &request, &loaded.expect("it is a project"));
}
