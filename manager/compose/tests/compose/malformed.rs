//! Files that mean nothing: each gets its line with a position, in bounded memory and time.

use crate::door::{FOLDER, Memory, request};
use std::path::{Path, PathBuf};

/// (a word for the case, the file, the problems)
const CASES: &[(&str, &str, &str)] = &[
    ("empty", "", ""),
    ("only a comment", "# nothing\n", ""),
    ("a list", "- a\n", ""),
    ("one word", "services", ""),
    ("no services", "volumes: {a: }", ""),
    ("services as a list", "services: [a]", ""),
    ("a service as text", "services: {a: b}", ""),
    ("no image", "services: {a: {command: x}}", ""),
    ("a bad image", "services: {a: {image: 'A B'}}", ""),
    ("a bad service name", "services: {'a b': {image: a}}", ""),
    ("an unknown key", "services: {a: {image: a, enviroment: {}}}", ""),
    ("an unknown top key", "servces: {a: {image: a}}", ""),
    ("a key in the wrong place", "services: {a: {image: a, replicas: 2}}", ""),
    ("a key of deploy beside it", "services: {a: {image: a, deploy: {image: x}}}", ""),
    ("a key written otherwise", "services: {a: {image: a, Working-Dir: /}}", ""),
    ("nobody's key", "services: {a: {image: a, zzzzzzzz: 1}}", ""),
    ("a refused key", "services: {a: {image: a, volumes_from: [b]}}", ""),
    ("a tab", "services:\n\ta: {image: a}\n", ""),
    ("a tab further on", "services:\n  a:\n  \timage: a\n", ""),
    ("a bracket that stays open", "services: {a: [", ""),
    ("a quote that stays open", "services: {a: {image: \"a}}\n", ""),
    ("bad indentation", "services:\n  a:\n    image: a\n   command: b\n", ""),
    ("an unknown anchor", "services:\n  a: *gone\n", ""),
    ("an alias in its own anchor", "a: &a [*a]\n", ""),
    ("a key twice", "services:\n  a: {image: a}\n  a: {image: b}\n", ""),
    ("a key that is a list", "services: {[a]: {image: a}}", ""),
    ("a merge of text", "services: {a: {<<: b, image: a}}", ""),
    ("two documents", "services: {a: {image: a}}\n---\nb: c\n", ""),
    ("a bad port", "services: {a: {image: a, ports: ['80:x']}}", ""),
    ("a port too large", "services: {a: {image: a, ports: [70000, '1:2:3:4:5']}}", ""),
    ("port zero", "services: {a: {image: a, ports: [{target: 0}]}}", ""),
    ("ranges that do not fit", "services: {a: {image: a, ports: ['1-3:1-2']}}", ""),
    ("a range backwards", "services: {a: {image: a, ports: ['3-1:3-1']}}", ""),
    ("all ports, often", "services: {a: {image: a, ports: ['1-65535:1-65535']}}", ""),
    ("a port without target", "services: {a: {image: a, ports: [{published: 80}]}}", ""),
    ("a bad volume", "services: {a: {image: a, volumes: ['a:b', '/a:/b:/c:/d', '/a:/b:xy']}}", ""),
    (
        "an undeclared volume",
        "services: {a: {image: a, volumes: ['dta:/b']}}\nvolumes: {data: }",
        "",
    ),
    ("a path without its dot", "services: {a: {image: a, volumes: ['src/x:/b']}}", ""),
    ("an undeclared network", "services: {a: {image: a, networks: [n]}}", ""),
    ("an undeclared secret", "services: {a: {image: a, secrets: [s]}}", ""),
    ("a secret from nowhere", "services: {a: {image: a, secrets: [s]}}\nsecrets: {s: }", ""),
    (
        "an unset secret",
        "services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {environment: GONE}}",
        "",
    ),
    (
        "external with settings",
        "services: {a: {image: a, networks: [n]}}\nnetworks: {n: {external: true, driver: x}}",
        "",
    ),
    ("a bad duration", "services: {a: {image: a, stop_grace_period: 10}}", ""),
    ("a bad size", "services: {a: {image: a, mem_limit: 10x, shm_size: []}}", ""),
    ("a bad number", "services: {a: {image: a, deploy: {replicas: -1}}}", ""),
    ("a bad flag", "services: {a: {image: a, tty: maybe}}", ""),
    ("a bad choice", "services: {a: {image: a, deploy: {mode: all}}}", ""),
    (
        "a bad mode of a file",
        "services: {a: {image: a, configs: [{source: c, mode: 999}]}}\nconfigs: {c: {content: x}}",
        "",
    ),
    (
        "a bad constraint",
        "services: {a: {image: a, deploy: {placement: {constraints: [zone=west]}}}}",
        "",
    ),
    (
        "a global with replicas",
        "services: {a: {image: a, deploy: {mode: global, replicas: 2}}}",
        "",
    ),
    (
        "two limits",
        "services: {a: {image: a, mem_limit: 1m, deploy: {resources: {limits: {memory: 2m}}}}}",
        "",
    ),
    ("another's network", "services: {a: {image: a, network_mode: 'service:b'}}", ""),
    ("a command with half a quote", "services: {a: {image: a, command: \"it's\"}}", ""),
    ("a mapping for text", "services: {a: {image: {a: b}, command: {a: b}, labels: text}}", ""),
    ("a variable that must be", "services: {a: {image: '${GONE:?say which}'}}", ""),
    ("a brace that stays open", "services: {a: {image: '${GONE'}}", ""),
    ("no variable", "services: {a: {image: '${A/b}'}}", ""),
    ("depends on itself", "services: {a: {image: a, depends_on: [a]}}", ""),
    (
        "a circle",
        "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [c]}\n  c: {image: c, depends_on: [b]}\n",
        "",
    ),
    ("depends on nobody", "services: {web: {image: a, depends_on: [bd]}, db: {image: b}}", ""),
    ("extends itself", "services: {a: {extends: a, image: a}}", ""),
    ("extends in a circle", "services: {a: {extends: b}, b: {extends: {service: a}}}", ""),
    ("extends nobody", "services: {a: {extends: basis}, base: {image: a}}", ""),
    (
        "extends a file that is not there",
        "services: {a: {extends: {file: gone.yml, service: a}}}",
        "",
    ),
    ("extends nothing", "services: {a: {extends: []}}", ""),
    ("includes itself", "include: [compose.yml]\nservices: {a: {image: a}}", ""),
    ("includes a file that is not there", "include: [gone.yml]", ""),
    ("includes a mapping", "include: {path: a}", ""),
    ("a file of variables that is not there", "services: {a: {image: a, env_file: gone.env}}", ""),
    ("a bad file of variables", "services: {a: {image: a, env_file: compose.yml}}", ""),
    ("a bad health check", "services: {a: {image: a, healthcheck: {test: [curl, x]}}}", ""),
    ("a bad host", "services: {a: {image: a, extra_hosts: [nowhere]}}", ""),
    (
        "a bad subnet",
        "services: {a: {image: a}}\nnetworks: {default: {ipam: {config: [{subnet: 10.0.0.0/99}]}}}",
        "",
    ),
    ("a bad tag", "services: !<tag:a {a: {image: a}}", ""),
    ("a control character", "services: {a: {image: \"a\u{1b}[31m\", user: \u{7}}}", ""),
];

fn problems(bytes: &[u8]) -> String {
    let path = Path::new(FOLDER).join("compose.yml");
    let files = Memory([(path, bytes.to_vec())].into());
    let mut request = request(&["compose.yml"]);
    request.files = vec![PathBuf::from("compose.yml")];
    match compose::load(&request, &files) {
        Ok(_) => "(no problem)".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn each_has_its_line() {
    let wrong: Vec<String> = CASES
        .iter()
        .map(|(case, file, expected)| (case, problems(file.as_bytes()), expected))
        .filter(|(_, found, expected)| found != *expected)
        .map(|(case, found, _)| format!("{case}:\n{found}"))
        .collect();
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(CASES.len() >= 50, "there were more cases");
}

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
        (format!("x-0: &l0 [a, b]\n{laughs}").into_bytes(), ""),
        ("[".repeat(3 << 20).into_bytes(), ""),
        ("[".repeat(10 << 20).into_bytes(), ""),
        ("- ".repeat(2 << 20).into_bytes(), ""),
        ("{a: ".repeat(1 << 20).into_bytes(), ""),
        ("? ".repeat(1 << 20).into_bytes(), ""),
        ("a: ".repeat(1 << 20).into_bytes(), ""),
        ("&a ".repeat(1 << 20).into_bytes(), ""),
        ("!a ".repeat(1 << 20).into_bytes(), ""),
        ("a\n".repeat(1 << 20).into_bytes(), ""),
        ("a: b\n".repeat(1 << 19).into_bytes(), ""),
        ((0..300_000).map(|n| format!("{n}:\n")).collect::<String>().into_bytes(), ""),
        (b"services: {a: {image: a}}\n# \xff".to_vec(), ""),
        (b"\xff\xfes\0".to_vec(), ""),
        (b"a: \0".to_vec(), ""),
        (large.into_bytes(), ""),
        (defaults.into_bytes(), ""),
        (format!("services:\n{links}  s100: {{image: a}}\n").into_bytes(), ""),
    ];
    let found: Vec<String> = cases.iter().map(|(bytes, _)| problems(bytes)).collect();
    let expected: Vec<&str> = cases.iter().map(|(_, line)| *line).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_largest_number_of_problems_is_bounded() {
    let services: String = (0..100).map(|n| format!("  s{n:03}: {{build: .}}\n")).collect();
    let text = problems(format!("services:\n{services}").as_bytes());
    assert_eq!(text.lines().count(), 21);
    assert_eq!(text.lines().last(), Some("and 80 more"));
}
