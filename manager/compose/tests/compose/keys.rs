//! Every key of the Compose Specification has a verdict, and every honoured one has an effect.

use crate::door::{Memory, request};
use compose::schema::{self, Verdict};
use expect_test::{expect, expect_file};

/// Paths of all keys in the Specification's schema: `*` for any name, `[]` for items of lists.
const PATHS: &str = include_str!("../key-paths.txt");

#[test]
fn every_key_has_a_verdict() {
    let without: Vec<&str> = PATHS.lines().filter(|it| schema::verdict(it).is_none()).collect();
    assert!(without.is_empty(), "keys without a verdict: {without:#?}");
    let count = |is: fn(Verdict) -> bool| {
        PATHS.lines().filter_map(schema::verdict).filter(|verdict| is(*verdict)).count()
    };
    let honoured = count(|it| matches!(it, Verdict::Honoured));
    let refused = count(|it| matches!(it, Verdict::Refused(_)));
    let ignored = count(|it| matches!(it, Verdict::Ignored(_)));
    let counts = format!("{honoured} honoured, {refused} refused, {ignored} ignored");
    expect!["228 honoured, 35 refused, 81 ignored"].assert_eq(&counts);
    assert_eq!(schema::verdict("services.*.prots"), None);
    assert_eq!(schema::verdict("services.*.ports.*.target"), None);
}

#[test]
fn the_list_for_people_is_right() {
    expect_file!["../../KEYS.md"].assert_eq(&schema::markdown());
}

/// Has every honoured key, each with another value than its default.
pub(crate) const EVERYTHING: &str = include_str!("../everything.yml");

/// What that file names.
pub(crate) const BESIDE_EVERYTHING: [(&str, &str); 6] = [
    ("base.yml", "services: {base: {image: base, tty: true}, web: {image: other}}"),
    ("sub/part.yml", "services: {part: {image: 'part:${PART}', volumes: [./x:/x]}}"),
    ("a.env", "FROM=$TAG"),
    ("labels.env", "label.of=file"),
    ("part.env", "PART=1"),
    ("sub/.env", "PART=2"),
];

pub(crate) fn load_everything(text: &str) -> Result<compose::Loaded, compose::Problems> {
    let mut files = vec![("compose.yml", text)];
    files.extend(BESIDE_EVERYTHING);
    let mut request = request(&["compose.yml"]);
    request.profiles = vec!["some".to_owned()];
    request.stack = None;
    request.environment.insert("COMPOSE_PROJECT_NAME".to_owned(), "other".to_owned());
    compose::load(&request, &Memory::of(&files))
}

fn load(text: &str) -> Result<compose::model::Project, compose::Problems> {
    load_everything(text).map(|loaded| loaded.project)
}

/// The keys of a line-wise YAML text: the path of each, and the lines that it takes.
fn blocks(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.trim_start_matches([' ', '-']).split_once(':') else { continue };
        let depth = indent(line);
        let is_item = line.trim_start().starts_with("- ");
        path.retain(|(at, _)| *at < depth && !(is_item && *at + 2 > depth));
        if is_item {
            path.push((depth - 1, "[]".to_owned()));
        }
        path.push((depth, key.to_owned()));
        let rest = lines[number + 1..].iter();
        let length = rest.take_while(|line| indent(line) > depth).count();
        let names: Vec<&str> = path.iter().map(|(_, name)| name.as_str()).collect();
        found.push((names.join("."), number..number + 1 + length));
    }
    found
}

#[test]
fn every_honoured_key_has_an_effect() {
    let whole = load(EVERYTHING).expect("the file with everything loads");
    let blocks = blocks(EVERYTHING);
    let lines: Vec<&str> = EVERYTHING.lines().collect();
    let mut missing = Vec::new();
    let mut without_effect = Vec::new();
    for (path, verdict) in schema::keys() {
        if verdict != Verdict::Honoured || path == "version" {
            continue;
        }
        let mut tried = blocks.iter().filter(|(block, _)| matches(&path, block)).peekable();
        if tried.peek().is_none() {
            missing.push(path.clone());
            continue;
        }
        let has_effect = tried.any(|(_, range)| {
            // The first key of an item takes the dash along.
            let dash = lines[range.start].trim_start().starts_with("- ");
            let mut left: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            left.drain(range.clone());
            if dash && let Some(next) = left.get_mut(range.start) {
                let depth = next.len() - next.trim_start().len();
                if depth >= 2 && !next.trim_start().starts_with("- ") {
                    next.replace_range(depth - 2..depth, "- ");
                }
            }
            load(&left.join("\n")).map_or(true, |project| project != whole)
        });
        if !has_effect {
            without_effect.push(path);
        }
    }
    assert!(missing.is_empty(), "not in the file with everything: {missing:#?}");
    assert!(without_effect.is_empty(), "without an effect: {without_effect:#?}");
}

fn matches(path: &str, block: &str) -> bool {
    let (path, block): (Vec<&str>, Vec<&str>) =
        (path.split('.').collect(), block.split('.').collect());
    path.len() == block.len()
        && path.iter().zip(block).all(|(it, other)| *it == "*" || *it == other)
}
