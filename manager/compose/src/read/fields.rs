//! The keys of one mapping, read as what they are meant to be.
//!
//! Every method reports what is wrong and goes on with nothing, so that one reading finds all
//! problems. Which keys there are stands in the schema: asking for another is our own mistake.

use crate::model::Pairs;
use crate::node::{Map, Node, Position, Sources, Style, Value};
use crate::problem::{Fault, Report, quote};
use crate::schema::{Object, Shape, Verdict};
use crate::words::truth;
use common::units::{BadQuantity, parse_bytes, parse_cpus, parse_duration};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

pub(super) struct Reader<'a> {
    pub(super) sources: &'a Sources,
    report: RefCell<Report>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Reader<'a> {
        Reader { sources, report: RefCell::default() }
    }

    pub(super) fn error(&self, fault: Fault) {
        self.report.borrow_mut().error(fault);
    }

    pub(super) fn warn(&self, fault: Fault) {
        self.report.borrow_mut().warn(fault);
    }

    pub(super) fn hand_over(self, report: &mut Report) {
        report.take_over(self.report.into_inner());
    }
}

#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    at: Position,
    map: Option<&'a Map>,
    object: &'static Object,
    pub(super) reader: &'a Reader<'a>,
}

impl<'a> Fields<'a> {
    /// None where the node is no mapping, which is reported; nothing at all is an empty one.
    pub(super) fn new(
        node: &'a Node,
        object: &'static Object,
        reader: &'a Reader<'a>,
    ) -> Option<Fields<'a>> {
        match &node.value {
            Value::Map(map) => Some(Fields { at: node.at, map: Some(map), object, reader }),
            Value::Null => Some(Fields { at: node.at, map: None, object, reader }),
            Value::Text(_) | Value::List(_) => {
                let text = format!("{} is a mapping, not {}", object.name, node.kind());
                reader.error(Fault::new(node.at, text));
                None
            }
        }
    }

    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// The value of a key, where there is one.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(
            self.object.key(key).is_some_and(|it| it.verdict == Verdict::Honoured),
            "`{key}` of {} is read and not in the schema",
            self.object.name
        );
        let node = &self.map?.get(key)?.node;
        (!node.is_null()).then_some(node)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&'a str, Position)> {
        let entries = self.map.into_iter().flatten();
        entries.filter(|(_, it)| !it.node.is_null()).map(|(key, it)| (key.as_str(), it.at))
    }

    pub(super) fn wrong(&self, node: &Node, key: &str, expected: &str) {
        let given = match node.as_text() {
            Some(text) => quote(text),
            None => node.kind().to_owned(),
        };
        self.reader.error(Fault::new(node.at, format!("`{key}` wants {expected}, not {given}")));
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let node = self.node(key)?;
        let text = node.as_text();
        if text.is_none() {
            self.wrong(node, key, "a single value");
        }
        text.map(str::to_owned)
    }

    /// Text, of which none at all is as good as no key: `user: ${USER:-}`.
    pub(super) fn word(&self, key: &'static str) -> Option<String> {
        self.text(key).filter(|text| !text.is_empty())
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        debug_assert!(
            self.object.key(key).is_some_and(|it| matches!(it.shape, Shape::Flag)),
            "`{key}` of {} is read as a flag, and none in the schema",
            self.object.name
        );
        let node = self.node(key)?;
        let flag = node.as_text().and_then(truth);
        if flag.is_none() {
            self.wrong(node, key, "true or false");
        }
        flag
    }

    pub(super) fn number<T: FromStr>(&self, key: &'static str) -> Option<T> {
        let node = self.node(key)?;
        let number = node.as_text().and_then(|text| text.parse().ok());
        if number.is_none() {
            self.wrong(node, key, "a whole number in its range");
        }
        number
    }

    pub(super) fn parsed<T>(&self, key: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.word(key)?;
        let node = self.node(key)?;
        text.parse()
            .map_err(|bad: T::Err| self.reader.error(Fault::new(node.at, bad.to_string())))
            .ok()
    }

    fn quantity<T>(
        &self,
        key: &'static str,
        parse: fn(&str) -> Result<T, BadQuantity>,
    ) -> Option<T> {
        let text = self.text(key)?;
        let at = self.node(key)?.at;
        parse(&text)
            .map_err(|bad| {
                let text = format!("`{key}`: {} is not {}", quote(&bad.given), bad.expected);
                self.reader.error(Fault::new(at, text));
            })
            .ok()
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.quantity(key, parse_duration)
    }

    pub(super) fn bytes(&self, key: &'static str) -> Option<u64> {
        self.quantity(key, parse_bytes)
    }

    pub(super) fn cpus(&self, key: &'static str) -> Option<u64> {
        self.quantity(key, parse_cpus)
    }

    pub(super) fn choice<T: Clone>(&self, key: &'static str, known: &[(&str, T)]) -> Option<T> {
        let node = self.node(key)?;
        let found = node.as_text().and_then(|it| known.iter().find(|(name, _)| *name == it));
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.wrong(node, key, &format!("one of {}", names.join(", ")));
        }
        found.map(|(_, value)| value.clone())
    }

    /// File modes are octal with a leading zero, in quotes, or with `0o`; else decimal, as YAML
    /// has it and Docker too.
    pub(super) fn mode(&self, key: &'static str) -> Option<u32> {
        let node = self.node(key)?;
        let Value::Text(text) = &node.value else {
            self.wrong(node, key, "an octal number such as 0440");
            return None;
        };
        let digits = text.text.strip_prefix("0o").unwrap_or(&text.text);
        let is_octal = text.style == Style::Quoted || text.text.starts_with('0');
        let number = u32::from_str_radix(digits, if is_octal { 8 } else { 10 }).ok();
        let number = number.filter(|mode| *mode <= 0o7777 && !digits.starts_with('+'));
        match number {
            None => self.wrong(node, key, "an octal number such as 0440"),
            Some(mode) if !is_octal && !is_usual(mode) => {
                let text = format!("`{key}: {digits}` is a decimal number, the mode {mode:04o}");
                let hint = format!("write 0{digits} if that is meant");
                self.reader.warn(Fault::new(node.at, text).hint(hint));
            }
            Some(_) => {}
        }
        number
    }

    pub(super) fn list(&self, key: &'static str) -> Vec<(Position, String)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Some(list) = node.as_list() else {
            self.wrong(node, key, "a list");
            return Vec::new();
        };
        let texts = list.iter().filter_map(|item| match item.as_text() {
            Some(text) => Some((item.at, text.to_owned())),
            None => {
                self.wrong(item, key, "single values in its list");
                None
            }
        });
        texts.collect()
    }

    pub(super) fn texts(&self, key: &'static str) -> Vec<String> {
        self.list(key).into_iter().map(|(_, text)| text).collect()
    }

    /// A list whose items are read one by one; those that cannot be are reported and left out.
    pub(super) fn parsed_list<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let read = |(at, text): (Position, String)| {
            parse(&text).map_err(|reason| self.reader.error(Fault::new(at, reason))).ok()
        };
        self.list(key).into_iter().filter_map(read).collect()
    }

    /// Names to values; a name without one has an empty one.
    pub(super) fn pairs(&self, key: &'static str) -> Pairs {
        let Some(node) = self.node(key) else { return Pairs::new() };
        let Some(map) = node.as_map() else {
            self.wrong(node, key, "a mapping of names to values");
            return Pairs::new();
        };
        let mut pairs = Pairs::new();
        for (name, entry) in map {
            match &entry.node.value {
                Value::Text(text) => {
                    pairs.insert(name.clone(), text.text.clone());
                }
                Value::Null => {
                    pairs.insert(name.clone(), String::new());
                }
                Value::List(_) | Value::Map(_) => {
                    self.wrong(&entry.node, &shown(key, name), "a single value");
                }
            }
        }
        pairs
    }

    /// Something under the key in any case, so that defaults have one place.
    pub(super) fn object(&self, key: &'static str) -> Option<Fields<'a>> {
        Fields::new(self.node(key)?, self.below(key)?, self.reader)
    }

    pub(super) fn items(&self, key: &'static str) -> Vec<Fields<'a>> {
        let (Some(node), Some(object)) = (self.node(key), self.below(key)) else {
            return Vec::new();
        };
        let Some(list) = node.as_list() else {
            self.wrong(node, key, "a list");
            return Vec::new();
        };
        list.iter().filter_map(|item| Fields::new(item, object, self.reader)).collect()
    }

    /// Reads what people named, each by its name.
    pub(super) fn each<T>(
        &self,
        key: &'static str,
        read: impl Fn(&str, &Fields<'a>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let (Some(node), Some(object)) = (self.node(key), self.below(key)) else {
            return BTreeMap::new();
        };
        let Some(map) = node.as_map() else {
            self.wrong(node, key, "a mapping of names");
            return BTreeMap::new();
        };
        let mut found = BTreeMap::new();
        for (name, entry) in map {
            let fields = Fields::new(&entry.node, object, self.reader)
                .map(|fields| Fields { at: entry.at, ..fields });
            if let Some(value) = fields.and_then(|fields| read(name, &fields)) {
                found.insert(name.clone(), value);
            }
        }
        found
    }

    fn below(&self, key: &str) -> Option<&'static Object> {
        match self.object.key(key)?.shape {
            Shape::Object(object) | Shape::Named(object) | Shape::List(object) => Some(object),
            Shape::Leaf | Shape::Flag => None,
        }
    }
}

fn shown(key: &str, name: &str) -> String {
    format!("{key}.{}", quote(name).trim_matches('`'))
}

/// Whether somebody may have meant such a mode: `440` in decimal is 0670, which nobody means.
fn is_usual(mode: u32) -> bool {
    let (owner, group, others) = (mode >> 6, mode >> 3 & 7, mode & 7);
    let reads_what_it_writes = |it: u32| it & 2 == 0 || it & 4 != 0;
    mode <= 0o777
        && [owner, group, others].into_iter().all(reads_what_it_writes)
        && group & !owner == 0
        && others & !group == 0
}
