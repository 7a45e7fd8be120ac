//! Every key of a compose file, and what becomes of it: honoured, refused or ignored.
//!
//! One table serves the check of files, the reader, the suggestions and the list for people.

mod parts;
mod service;

pub(crate) use parts::{INCLUDE, TOP};

use crate::node::{Entry, Node, Value};
use crate::problem::{Fault, Report, quote};
use crate::words::truth;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Honoured,
    /// The project would not be what its author meant.
    Refused(&'static str),
    /// The project works without it; one warning says so.
    Ignored(&'static str),
}

/// A mapping with keys of its own.
#[derive(Debug)]
pub(crate) struct Object {
    /// What one of them is called in messages.
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key],
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) shape: Shape,
}

/// What a key's value is, short forms being written out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A value, a list of values, or a mapping of names that people choose to values.
    Leaf,
    /// True or false.
    Flag,
    Object(&'static Object),
    /// Names that people choose, each with an object.
    Named(&'static Object),
    List(&'static Object),
}

const fn yes(name: &'static str) -> Key {
    Key { name, verdict: Verdict::Honoured, shape: Shape::Leaf }
}

const fn flag(name: &'static str) -> Key {
    Key { name, verdict: Verdict::Honoured, shape: Shape::Flag }
}

const fn object(name: &'static str, object: &'static Object) -> Key {
    Key { name, verdict: Verdict::Honoured, shape: Shape::Object(object) }
}

const fn named(name: &'static str, object: &'static Object) -> Key {
    Key { name, verdict: Verdict::Honoured, shape: Shape::Named(object) }
}

const fn list(name: &'static str, object: &'static Object) -> Key {
    Key { name, verdict: Verdict::Honoured, shape: Shape::List(object) }
}

const fn refused(name: &'static str, reason: &'static str) -> Key {
    Key { name, verdict: Verdict::Refused(reason), shape: Shape::Leaf }
}

const fn ignored(name: &'static str, reason: &'static str) -> Key {
    Key { name, verdict: Verdict::Ignored(reason), shape: Shape::Leaf }
}

impl Object {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Complains about every key below the node that is not simply honoured.
pub(crate) fn check(node: &Node, object: &'static Object, report: &mut Report) {
    let Some(map) = node.as_map() else { return };
    for (name, entry) in map {
        let Some(key) = object.key(name) else {
            unknown(name, entry, object, report);
            continue;
        };
        if says_nothing(&entry.node) {
            continue;
        }
        let given = quote(name);
        match key.verdict {
            Verdict::Honoured => check_value(&entry.node, key.shape, report),
            Verdict::Refused(reason) => {
                report.error(Fault::new(entry.at, format!("{given} is refused: {reason}")));
            }
            Verdict::Ignored(reason) => {
                report.warn(Fault::new(entry.at, format!("{given} is ignored: {reason}")));
            }
        }
    }
}

/// No value, an empty one, or a plain no.
pub(crate) fn says_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Text(text) => matches!(text.text.as_str(), "" | "false" | "no"),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
    }
}

fn check_value(node: &Node, shape: Shape, report: &mut Report) {
    match (shape, &node.value) {
        (Shape::Leaf | Shape::Flag, _) | (_, Value::Null | Value::Text(_)) => {}
        (Shape::Object(object), _) => check(node, object, report),
        (Shape::Named(object), Value::Map(map)) => {
            map.values().for_each(|entry| check(&entry.node, object, report));
        }
        (Shape::List(object), Value::List(list)) => {
            list.iter().for_each(|item| check(item, object, report));
        }
        // The reader says what is wrong with the kind of a value.
        (Shape::Named(_), Value::List(_)) | (Shape::List(_), Value::Map(_)) => {}
    }
}

/// Leaves of a tree what has a meaning: no extensions, and nothing that is ignored. Flags come in
/// one spelling, as not every reader takes `True` or `yes` for one.
pub(crate) fn prune(node: &mut Node, object: &'static Object) {
    let Some(map) = node.as_map_mut() else { return };
    let honoured = |name: &str| object.key(name).filter(|it| it.verdict == Verdict::Honoured);
    map.retain(|name, _| honoured(name).is_some());
    for (name, entry) in map.iter_mut() {
        match (honoured(name).map(|it| it.shape), &mut entry.node.value) {
            (Some(Shape::Object(below)), _) => prune(&mut entry.node, below),
            (Some(Shape::Named(below)), Value::Map(map)) => {
                map.values_mut().for_each(|entry| prune(&mut entry.node, below));
            }
            (Some(Shape::List(below)), Value::List(list)) => {
                list.iter_mut().for_each(|item| prune(item, below));
            }
            (Some(Shape::Flag), Value::Text(_)) => spell_flag(&mut entry.node),
            (Some(Shape::Leaf | Shape::Flag | Shape::Named(_) | Shape::List(_)) | None, _) => {}
        }
    }
}

/// As it is where it is none.
pub(crate) fn spell_flag(node: &mut Node) {
    if let Some(flag) = node.as_text().and_then(truth) {
        node.value = Node::plain(node.at, if flag { "true" } else { "false" }).value;
    }
}

fn unknown(name: &str, entry: &Entry, object: &'static Object, report: &mut Report) {
    if report.is_full() {
        return;
    }
    let at = entry.at;
    let meant = probable(name, object.keys.iter().map(|key| key.name));
    if name.starts_with("x-") {
        // Extensions are anybody's; one that is nearly ours is probably meant to be.
        if let Some(meant) = meant.filter(|meant| meant.starts_with("x-")) {
            let text = format!("{} is nobody's that is known here", quote(name));
            report.warn(Fault::new(at, text).hint(format!("did you mean `{meant}`?")));
        }
        return;
    }
    let fault = Fault::new(at, format!("there is no key {} in {}", quote(name), object.name));
    // The first compose files had nothing but services.
    let is_service = |key| entry.node.get(key).is_some();
    if object.name == TOP.name && (is_service("image") || is_service("build")) {
        report.error(fault.hint("it looks like a service: put it under `services:`"));
        return;
    }
    report.error(match (meant, elsewhere(name, object)) {
        (Some(meant), _) => fault.hint(format!("did you mean `{meant}`?")),
        (None, Some(place)) => fault.hint(format!("it belongs into {place}")),
        (None, None) => fault,
    });
}

/// Keys that were indented too much or too little.
fn elsewhere(name: &str, object: &'static Object) -> Option<&'static str> {
    let known = [&TOP, &service::SERVICE, &service::DEPLOY];
    let place = known.into_iter().find(|it| it.key(name).is_some() && it.name != object.name)?;
    Some(place.name)
}

/// Among more names than these, nobody's slip is looked for.
const CANDIDATES_MAX: usize = 256;

/// The nearest of the names, where it is near enough that a slip explains it.
pub(crate) fn probable<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', ' '], "_");
    let given = plain(given);
    // A short word is soon another one, but two letters may have changed places.
    let most = match given.chars().count() {
        0 | 1 => 0,
        length => (length / 3).clamp(1, 3),
    };
    names
        .filter(|name| name.len().abs_diff(given.len()) <= most)
        .take(CANDIDATES_MAX)
        .map(|name| (distance(&given, &plain(name)), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Letters to add, to drop, to change or to swap with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 32;
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len() > LONGEST || other.len() > LONGEST {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let changed = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[one.len()][other.len()]
}

/// What becomes of the key at a path such as `services.*.ports.[].target`; what lies below an
/// ignored or refused key shares its fate.
pub fn verdict(path: &str) -> Option<Verdict> {
    let mut object = &TOP;
    let mut parts = path.split('.');
    loop {
        let key = object.key(parts.next()?)?;
        if key.verdict != Verdict::Honoured {
            return Some(key.verdict);
        }
        let (below, sign) = match key.shape {
            Shape::Leaf | Shape::Flag => {
                return parts.next().is_none().then_some(Verdict::Honoured);
            }
            Shape::Object(below) => (below, None),
            Shape::Named(below) => (below, Some("*")),
            Shape::List(below) => (below, Some("[]")),
        };
        let rest: Vec<&str> = parts.clone().collect();
        if rest.is_empty() || sign.is_some_and(|sign| rest == [sign]) {
            return Some(Verdict::Honoured);
        }
        if let Some(sign) = sign
            && parts.next() != Some(sign)
        {
            return None;
        }
        object = below;
    }
}

/// All keys with their verdicts, each as its path.
pub fn keys() -> Vec<(String, Verdict)> {
    let mut found = Vec::new();
    gather(&TOP, "", &mut found);
    found
}

fn gather(object: &'static Object, path: &str, found: &mut Vec<(String, Verdict)>) {
    for key in object.keys {
        let here = format!("{path}{}", key.name);
        found.push((here.clone(), key.verdict));
        match key.shape {
            Shape::Leaf | Shape::Flag => {}
            Shape::Object(below) => gather(below, &format!("{here}."), found),
            Shape::Named(below) => gather(below, &format!("{here}.*."), found),
            Shape::List(below) => gather(below, &format!("{here}.[]."), found),
        }
    }
}

/// The list for people, as Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Keys of compose files\n\n\
         `*` stands for a name of your choice, `[]` for the items of a list. Keys that begin with\n\
         `x-` and are not in this list are passed over. `--strict` makes errors of warnings.\n",
    );
    let titles = ["Honoured", "Refused: the reason is an error", "Ignored, with a warning"];
    for (kind, title) in titles.iter().enumerate() {
        text.push_str(&format!("\n## {title}\n\n"));
        for (path, verdict) in keys() {
            let line = match (kind, verdict) {
                (0, Verdict::Honoured) => format!("- `{path}`"),
                (1, Verdict::Refused(reason)) | (2, Verdict::Ignored(reason)) => {
                    format!("- `{path}`: {reason}")
                }
                (_, Verdict::Honoured | Verdict::Refused(_) | Verdict::Ignored(_)) => continue,
            };
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}
