//! From the bytes of a YAML file to a tree: within limits, and every node with its position.

use crate::budget::{Budget, Exceeded, cost_of, cost_of_text};
use crate::node::{Entry, FileId, Map, Node, Order, Position, Style, Text, Value};
use crate::problem::{Fault, quote};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(crate) const FILE_BYTES_MAX: usize = 4 << 20;
/// The tree is walked by functions that call themselves.
const DEPTH_MAX: usize = 64;

/// What people run into most, in words that say what to do; the rest is left to the parser.
const IN_PLAIN_WORDS: [(&str, &str); 8] = [
    ("recursion limit", TOO_DEEP),
    ("unknown anchor", "no anchor of this name stands above; an anchor is written &name"),
    ("quoted scalar, found unexpected end", "this quote is not closed"),
    ("did not find expected node content", "a value is missing here, or a bracket is not closed"),
    ("did not find expected key", "this line is indented otherwise than the ones around it"),
    ("mapping values are not allowed", "a second colon in one line; put the value in quotes"),
    ("unprintable character", "a control character stands here"),
    ("tabs disallowed", "a tab stands here; YAML wants blanks"),
];
const TOO_DEEP: &str = "this is nested more than 64 deep";

pub(crate) fn parse(file: FileId, bytes: &[u8], budget: &mut Budget) -> Result<Node, Fault> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Fault::new(file.start(), "the file is larger than 4 MiB"));
    }
    let text = decode(file, bytes)?;
    let builder =
        Builder { file, text, budget, open: Vec::new(), anchors: BTreeMap::new(), done: None };
    builder.run()
}

fn decode(file: FileId, bytes: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|bad| {
        let before = String::from_utf8_lossy(&bytes[..bad.valid_up_to()]).into_owned();
        let line = before.matches('\n').count() as u32 + 1;
        let last = before.rsplit('\n').next().unwrap_or(&before);
        let at = Position { file, line, column: last.chars().count() as u32 + 1 };
        Fault::new(at, "this is not UTF-8").hint("save the file as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Events come in; what is open waits on a stack of its own, so that nesting costs no call stack.
struct Builder<'a> {
    file: FileId,
    text: &'a str,
    budget: &'a mut Budget,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Rc<Node>, usize)>,
    done: Option<Node>,
}

struct Open {
    at: Position,
    anchor: usize,
    order: Order,
    part: Part,
}

enum Part {
    List(Vec<Node>),
    Map {
        map: Map,
        key: Option<(String, Position)>,
        /// What `<<` brings, which the map's own keys are stronger than.
        merged: Option<(Position, Node)>,
    },
}

impl Builder<'_> {
    fn run(mut self) -> Result<Node, Fault> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| self.explain(&error))?;
            let at = self.position(&span.start);
            if matches!(event, Event::DocumentStart(_)) {
                documents += 1;
                if documents > 1 {
                    return Err(Fault::new(at, "a second document begins here")
                        .hint("a compose file is one document"));
                }
            }
            self.take(event, at)?;
        }
        Ok(self.done.unwrap_or_else(|| Node::null(self.file.start())))
    }

    fn position(&self, marker: &Marker) -> Position {
        Position { file: self.file, line: marker.line() as u32, column: marker.col() as u32 + 1 }
    }

    fn explain(&self, error: &ScanError) -> Fault {
        let at = self.position(error.marker());
        let line = self.text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or("");
        let blank = &line[..line.len() - line.trim_start().len()];
        if blank.contains('\t') {
            return Fault::new(at, "a tab indents this line").hint("YAML wants blanks");
        }
        let known = IN_PLAIN_WORDS.iter().find(|(said, _)| error.info().contains(said));
        match known {
            Some((_, words)) => Fault::new(at, *words),
            None => Fault::new(at, format!("this is not YAML: {}", error.info())),
        }
    }

    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Fault> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(anchor) => {
                let Some((node, cost)) = self.anchors.get(&anchor) else {
                    return Err(Fault::new(at, "this alias stands within its own anchor"));
                };
                self.budget.spend(*cost).map_err(|Exceeded| Fault::new(at, Exceeded::TEXT))?;
                let node = node.as_ref().clone();
                self.place(node, at)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(at, 1 + cost_of_text(&text))?;
                let order = order_of(tag.as_deref(), at)?;
                let is_text = tag.as_deref().is_some_and(|tag| tag.suffix == "str");
                let value = scalar(text.into_owned(), style, is_text);
                self.finish(Node { at, order, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(at, anchor, order_of(tag.as_deref(), at)?, Part::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let part = Part::Map { map: Map::new(), key: None, merged: None };
                self.enter(at, anchor, order_of(tag.as_deref(), at)?, part)
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
        }
    }

    fn spend(&mut self, at: Position, cost: usize) -> Result<(), Fault> {
        self.budget.spend(cost).map_err(|Exceeded| Fault::new(at, Exceeded::TEXT))
    }

    fn enter(
        &mut self,
        at: Position,
        anchor: usize,
        order: Order,
        part: Part,
    ) -> Result<(), Fault> {
        self.spend(at, 1)?;
        if self.open.len() == DEPTH_MAX {
            return Err(Fault::new(at, TOO_DEEP));
        }
        self.open.push(Open { at, anchor, order, part });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.part {
            Part::List(list) => Value::List(list),
            Part::Map { mut map, merged, .. } => {
                if let Some((at, node)) = merged {
                    merge_in(&mut map, node, at)?;
                }
                Value::Map(map)
            }
        };
        self.finish(Node { at: open.at, order: open.order, value }, open.anchor)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        let at = node.at;
        if anchor > 0 {
            let cost = cost_of(&node);
            // The original is kept as well as what aliases make of it.
            self.spend(at, cost)?;
            self.anchors.insert(anchor, (Rc::new(node.clone()), cost));
        }
        self.place(node, at)
    }

    /// Puts a finished node where it belongs; `at` is where it is named, by an alias perhaps.
    fn place(&mut self, node: Node, at: Position) -> Result<(), Fault> {
        if self.open.len() + depth_of(&node) > DEPTH_MAX {
            return Err(Fault::new(at, TOO_DEEP));
        }
        let Some(open) = self.open.last_mut() else {
            self.done = Some(node);
            return Ok(());
        };
        match &mut open.part {
            Part::List(list) => list.push(node),
            Part::Map { map, key, merged } => match key.take() {
                None => *key = Some((key_of(&node, at)?, at)),
                Some((name, place)) if name == "<<" => {
                    if merged.replace((place, node)).is_some() {
                        return Err(Fault::new(place, "`<<` stands here for the second time")
                            .hint("write `<<: [*one, *other]`"));
                    }
                }
                Some((name, place)) => add(map, name, Entry { at: place, node })?,
            },
        }
        Ok(())
    }
}

fn add(map: &mut Map, name: String, entry: Entry) -> Result<(), Fault> {
    match map.get(&name) {
        Some(first) => {
            let text = format!("{} stands here for the second time", quote(&name));
            Err(Fault::new(entry.at, text).hint(format!("the first is in line {}", first.at.line)))
        }
        None => {
            map.insert(name, entry);
            Ok(())
        }
    }
}

fn key_of(node: &Node, at: Position) -> Result<String, Fault> {
    match &node.value {
        Value::Text(text) => Ok(text.text.clone()),
        Value::Null => Err(Fault::new(at, "a key is missing before the colon")),
        Value::List(_) | Value::Map(_) => {
            Err(Fault::new(at, format!("a key is one word or text, not {}", node.kind())))
        }
    }
}

/// `<<: *map` and `<<: [*one, *other]`, earlier ones being stronger.
fn merge_in(map: &mut Map, node: Node, at: Position) -> Result<(), Fault> {
    match node.value {
        Value::Null => {}
        Value::Map(more) => {
            for (key, entry) in more {
                map.entry(key).or_insert(entry);
            }
        }
        Value::List(list) if list.iter().all(|it| it.as_map().is_some()) => {
            for one in list {
                merge_in(map, one, at)?;
            }
        }
        Value::List(_) | Value::Text(_) => {
            return Err(Fault::new(at, "`<<` takes a mapping or a list of mappings")
                .hint("for example `<<: *name`"));
        }
    }
    Ok(())
}

fn depth_of(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Text(_) => 0,
        Value::List(list) => 1 + list.iter().map(depth_of).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(|it| depth_of(&it.node)).max().unwrap_or(0),
    }
}

/// Tags of YAML itself say nothing that is not seen; of others, there are two.
fn order_of(tag: Option<&Tag>, at: Position) -> Result<Order, Fault> {
    let Some(tag) = tag else { return Ok(Order::Merge) };
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "reset") => Ok(Order::Remove),
        ("!", "override") => Ok(Order::Replace),
        ("!", "") | ("", "!") => Ok(Order::Merge),
        _ if tag.is_yaml_core_schema() => Ok(Order::Merge),
        (_, name) => Err(Fault::new(at, format!("there is no tag {}", quote(name)))
            .hint("there are `!reset` and `!override`")),
    }
}

fn scalar(text: String, style: ScalarStyle, is_text: bool) -> Value {
    let plain = style == ScalarStyle::Plain && !is_text;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Text(Text { text, style: if plain { Style::Plain } else { Style::Quoted } })
}
