//! Files that mean harm: turned down with one line, in bounded memory and time.

use crate::door::{Memory, request};
use crate::malformed::problems;

/// Large and hostile files, made rather than written.
#[test]
fn hostile_files_are_turned_down() {
    let laughs: String = (1..10)
        .map(|level| {
            format!("x-{level}: &l{level} [{}]\n", vec![format!("*l{}", level - 1); 10].join(", "))
        })
        .collect();
    let bases: String = (0..3000).map(|n| format!("  s{n}: {{extends: base}}\n")).collect();
    let large =
        format!("services:\n  base:\n    image: a\n    dns: [{}]\n{bases}", "a, ".repeat(3000));
    let defaults = format!("a: {}{}", "${A:-".repeat(100), "}".repeat(100));
    let links: String = (0..100).map(|n| format!("  s{n}: {{extends: s{}}}\n", n + 1)).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            format!("x-0: &l0 [a, b]\n{laughs}").into_bytes(),
            "compose.yml:6:36: the files grow too large here, with all aliases, variables and `extends` written out",
        ),
        ("[".repeat(3 << 20).into_bytes(), "compose.yml:1:256: this is nested more than 64 deep"),
        ("[".repeat(10 << 20).into_bytes(), "compose.yml: the file is larger than 4 MiB"),
        ("- ".repeat(2 << 20).into_bytes(), "compose.yml:1:129: this is nested more than 64 deep"),
        (
            "{a: ".repeat(1 << 20).into_bytes(),
            "compose.yml:1:1021: this is nested more than 64 deep",
        ),
        ("? ".repeat(1 << 20).into_bytes(), "compose.yml:1:129: this is nested more than 64 deep"),
        (
            "a: ".repeat(1 << 20).into_bytes(),
            "compose.yml:1:5: a second colon in one line; put the value in quotes",
        ),
        (
            "&a ".repeat(1 << 20).into_bytes(),
            "compose.yml:1:4: this is not YAML: did not find expected <document start>",
        ),
        (
            "!a ".repeat(1 << 20).into_bytes(),
            "compose.yml:1:1: there is no tag `a`; there are `!reset` and `!override`",
        ),
        (
            "a\n".repeat(1 << 20).into_bytes(),
            "compose.yml:1:1: a compose file is a mapping, not a single value; it begins with `services:`",
        ),
        (
            "a: b\n".repeat(1 << 19).into_bytes(),
            "compose.yml:2:1: `a` stands here for the second time; the first is in line 1",
        ),
        (
            (0..300_000).map(|n| format!("{n}:\n")).collect::<String>().into_bytes(),
            "compose.yml:120530:7: the files grow too large here, with all aliases, variables and `extends` written out",
        ),
        (
            b"services: {a: {image: a}}\n# \xff".to_vec(),
            "compose.yml:2:3: this is not UTF-8; save the file as UTF-8",
        ),
        (b"\xff\xfes\0".to_vec(), "compose.yml:1:1: this is not UTF-8; save the file as UTF-8"),
        (b"a: \0".to_vec(), "compose.yml:1:4: a control character stands here"),
        (
            large.into_bytes(),
            "compose.yml:1073:20: the files grow too large here, with all aliases, variables and `extends` written out",
        ),
        (
            defaults.into_bytes(),
            "compose.yml:1:1: there is no key `a` in a compose file\ncompose.yml:1:4: defaults are nested more than 16 deep",
        ),
        (
            format!("services:\n{links}  s100: {{image: a}}\n").into_bytes(),
            "compose.yml:33:18: `extends` goes on for more than 32 steps",
        ),
    ];
    let found: Vec<String> = cases.iter().map(|(bytes, _)| problems(bytes)).collect();
    let expected: Vec<&str> = cases.iter().map(|(_, line)| *line).collect();
    assert_eq!(found, expected);
}

/// Files by their names, of which `f0.yml` is asked for, and the problems.
type Case = (Vec<(String, String)>, &'static str);

#[track_caller]
fn check(cases: Vec<Case>) {
    for (files, expected) in cases {
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let mut request = request(&["f0.yml"]);
        request.environment.insert("LONG".to_owned(), "x".repeat(1 << 19));
        let problems = compose::load(&request, &Memory::of(&files)).expect_err(expected);
        assert_eq!(problems.to_string(), expected);
    }
}

#[test]
fn variables_that_multiply_are_turned_down() {
    let lines = |line: &dyn Fn(usize) -> String, count| (0..count).map(line).collect::<String>();
    let with_long = |count| lines(&|n| format!("k{n}: ${{LONG}}\n"), count);
    let variables = |text: String| {
        let file = "services: {a: {image: a, env_file: v.env}}".to_owned();
        vec![("f0.yml".to_owned(), file), ("v.env".to_owned(), text)]
    };
    let doubling = lines(&|n| format!("V{}=$V{n}${{V{n}}}xxxxxxxx\n", n + 1), 60);
    check(vec![
        (
            vec![("f0.yml".into(), format!("x-a:\n{}", with_long(400).replace("k", "  k")))],
            "f0.yml:113:9: the files grow too large here, with all aliases, variables and `extends` written out",
        ),
        (
            vec![("f0.yml".into(), format!("x: {}", "$LONG".repeat(9)))],
            "f0.yml:1:1: there is no key `x` in a compose file\nf0.yml:1:4: the value is longer than 1 MiB with its variables filled in",
        ),
        (
            variables(doubling),
            "v.env:18:1: the value is longer than 1 MiB with its variables filled in",
        ),
        (variables("A=b\n".repeat(1 << 19)), "v.env: the file is larger than 1 MiB"),
        (
            variables("A=\"".to_owned() + &"b\n".repeat(1 << 18)),
            "v.env:1:1: the quote of this value is not closed",
        ),
    ]);
}

#[test]
fn files_that_name_files_are_turned_down() {
    let last = ("f15.yml".to_owned(), "services: {z: {image: a}}".to_owned());
    let fan: Vec<(String, String)> = (0..15)
        .map(|n| (format!("f{n}.yml"), format!("include: [f{0}.yml, {{path: f{0}.yml}}]\n", n + 1)))
        .chain([last])
        .collect();
    let deep: Vec<(String, String)> =
        (0..40).map(|n| (format!("f{n}.yml"), format!("include: [f{}.yml]\n", n + 1))).collect();
    check(vec![
        (fan, "f13.yml:1:11: more than 1024 files are asked for"),
        (deep, "f17.yml:1:11: `include` goes deeper than 16 files"),
        (
            vec![
                ("f0.yml".into(), "services: {a: {extends: {file: f1.yml, service: b}}}".into()),
                ("f1.yml".into(), "services: {b: {extends: {file: f0.yml, service: a}}}".into()),
            ],
            "f1.yml:1:25: `extends` goes in a circle: `a → b → a`",
        ),
        (
            vec![
                ("f0.yml".into(), "include: [f1.yml]".into()),
                ("f1.yml".into(), "servces: {b: {image: a}}\nservices: {a: {image: a}}".into()),
            ],
            "f1.yml:1:1: there is no key `servces` in a compose file; did you mean `services`?",
        ),
        (
            vec![
                ("f0.yml".into(), "include: [f1.yml]\nservices: {a: {image: a}}".into()),
                ("f1.yml".into(), "services: {a: {image: b}}".into()),
            ],
            "f1.yml:1:12: service `a` is declared here and by `include`",
        ),
    ]);
}
