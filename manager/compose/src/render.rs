//! A resolved tree as YAML or JSON: one style, keys in their order, nothing left to be filled in.

use crate::node::{Map, Node, Style, Text, Value};

/// First what a person looks for first.
const TOP: [&str; 6] = ["name", "services", "networks", "volumes", "configs", "secrets"];

/// YAML wants longer keys to be announced.
const SIMPLE_KEY_BYTES_MAX: usize = 1000;

pub(crate) fn yaml(tree: &Node) -> String {
    let mut text = String::new();
    if let Some(map) = tree.as_map() {
        for key in TOP {
            if let Some(entry) = map.get(key).filter(|entry| !is_empty(&entry.node)) {
                text.push_str(key);
                text.push(':');
                value(&mut text, &entry.node, 1);
            }
        }
    }
    text
}

/// Scalars are what readers of the YAML take them for.
pub(crate) fn json(tree: &Node) -> String {
    let mut text = String::from("{");
    let top = tree.as_map().into_iter();
    let entries = top.flat_map(|map| TOP.iter().filter_map(|key| map.get_key_value(*key)));
    let entries = entries.filter(|(_, entry)| !is_empty(&entry.node));
    json_entries(&mut text, entries.map(|(key, entry)| (key.as_str(), &entry.node)), 1);
    text.push_str("}\n");
    text
}

fn json_value(text: &mut String, node: &Node, depth: usize) {
    match &node.value {
        Value::Null => text.push_str("null"),
        Value::Text(it) => text.push_str(&json_scalar(it)),
        Value::Map(map) => {
            text.push('{');
            json_entries(text, map.iter().map(|(key, it)| (key.as_str(), &it.node)), depth + 1);
            text.push('}');
        }
        Value::List(list) => {
            text.push('[');
            for (index, item) in list.iter().enumerate() {
                json_line(text, index, depth + 1);
                json_value(text, item, depth + 1);
            }
            json_end(text, list.is_empty(), depth);
            text.push(']');
        }
    }
}

fn json_entries<'a>(
    text: &mut String,
    entries: impl Iterator<Item = (&'a str, &'a Node)>,
    depth: usize,
) {
    let mut is_none = true;
    for (index, (key, node)) in entries.enumerate() {
        json_line(text, index, depth);
        text.push_str(&quoted(key));
        text.push_str(": ");
        json_value(text, node, depth);
        is_none = false;
    }
    json_end(text, is_none, depth - 1);
}

fn json_line(text: &mut String, index: usize, depth: usize) {
    text.push_str(if index > 0 { ",\n" } else { "\n" });
    indent(text, depth);
}

fn json_end(text: &mut String, is_empty: bool, depth: usize) {
    if !is_empty {
        text.push('\n');
        indent(text, depth);
    }
}

/// A number only where it is the same in both: `0440` is one in YAML alone.
fn json_scalar(text: &Text) -> String {
    let escaped = text.text.replace('$', "$$");
    let is_bare = match text.style {
        Style::Plain => matches!(escaped.as_str(), "true" | "false") || is_json_number(&escaped),
        Style::Quoted => false,
    };
    if is_bare { escaped } else { quoted(&escaped) }
}

fn is_json_number(text: &str) -> bool {
    let is_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let number = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let is_whole = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    is_whole && fraction.is_none_or(is_digits)
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Text(_) => false,
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
    }
}

/// Writes what stands behind a colon or a dash, to the end of the line.
fn value(text: &mut String, node: &Node, depth: usize) {
    match &node.value {
        Value::Null => text.push('\n'),
        Value::Text(it) => {
            text.push(' ');
            text.push_str(&scalar(it));
            text.push('\n');
        }
        Value::List(list) if list.is_empty() => text.push_str(" []\n"),
        Value::Map(map) if map.is_empty() => text.push_str(" {}\n"),
        Value::List(list) => {
            text.push('\n');
            for item in list {
                indent(text, depth);
                text.push('-');
                match &item.value {
                    Value::Map(map) if !map.is_empty() => {
                        text.push(' ');
                        entries(text, map, depth + 1, Start::Begun);
                    }
                    Value::Map(_) | Value::Null | Value::Text(_) | Value::List(_) => {
                        value(text, item, depth + 1);
                    }
                }
            }
        }
        Value::Map(map) => {
            text.push('\n');
            entries(text, map, depth, Start::NewLine);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    NewLine,
    /// The dash of a list stands where the first key's blanks would.
    Begun,
}

fn entries(text: &mut String, map: &Map, depth: usize, start: Start) {
    for (index, (key, entry)) in map.iter().enumerate() {
        if index > 0 || start == Start::NewLine {
            indent(text, depth);
        }
        let key = if is_plain(key) { key.clone() } else { quoted(key) };
        if key.len() > SIMPLE_KEY_BYTES_MAX {
            text.push_str("? ");
            text.push_str(&key);
            text.push('\n');
            indent(text, depth);
        } else {
            text.push_str(&key);
        }
        text.push(':');
        value(text, &entry.node, depth + 1);
    }
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

/// Plain stays plain, because a plain number may mean another than a quoted one (`mode: 440`).
fn scalar(text: &Text) -> String {
    let escaped = text.text.replace('$', "$$");
    match text.style {
        Style::Plain if is_plain(&escaped) => escaped,
        Style::Plain | Style::Quoted if is_word(&escaped) => escaped,
        Style::Plain | Style::Quoted => quoted(&escaped),
    }
}

fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '+');
    let first = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/');
    let number = text.strip_prefix('-').unwrap_or(text);
    number.starts_with(first)
        && text.chars().all(inner)
        && !matches!(text, "null" | "Null" | "NULL")
        && !matches!(text, "---" | "...")
}

/// What no reader takes for a number, a truth or a part of YAML.
fn is_word(text: &str) -> bool {
    const TRUTHS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let inner = |c: char| c.is_ascii_alphanumeric() || "_./-+:=,@ ".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && text.chars().all(inner)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !TRUTHS.contains(&text.to_ascii_lowercase().as_str())
}

fn quoted(text: &str) -> String {
    let mut line = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\r' => line.push_str("\\r"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                line.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => line.push(c),
        }
    }
    line.push('"');
    line
}
