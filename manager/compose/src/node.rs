//! The tree between YAML and the model: values as they were written, and where.

use crate::environment::Environment;
use crate::problem::Place;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) file: FileId,
    /// From one on; zero where the whole file is meant.
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) order: Order,
    pub(crate) value: Value,
}

/// What is to happen to the same node of an earlier file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Merge,
    /// `!override`
    Replace,
    /// `!reset`
    Remove,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Text(Text),
    List(Vec<Node>),
    Map(Map),
}

/// A scalar stays the text it was; a type is made of it where a key asks for one. So `0400`,
/// `1.10` and `22:22` survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
}

/// In the order of the keys: no key of a compose file means anything by its place.
pub(crate) type Map = BTreeMap<String, Entry>;

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Of the key.
    pub(crate) at: Position,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn new(at: Position, value: Value) -> Node {
        Node { at, order: Order::Merge, value }
    }

    pub(crate) fn null(at: Position) -> Node {
        Node::new(at, Value::Null)
    }

    pub(crate) fn quoted(at: Position, text: impl Into<String>) -> Node {
        Node::new(at, Value::Text(Text { text: text.into(), style: Style::Quoted }))
    }

    pub(crate) fn plain(at: Position, text: impl Into<String>) -> Node {
        Node::new(at, Value::Text(Text { text: text.into(), style: Style::Plain }))
    }

    /// A map whose keys and values all stand where the short form stood that they come from.
    pub(crate) fn map_of(at: Position, entries: Vec<(&str, Node)>) -> Node {
        let entry = |(key, node): (&str, Node)| (key.to_owned(), Entry { at, node });
        Node::new(at, Value::Map(entries.into_iter().map(entry).collect()))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(&text.text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            Value::Null | Value::Text(_) | Value::List(_) => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            Value::Null | Value::Text(_) | Value::List(_) => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            Value::Null | Value::Text(_) | Value::Map(_) => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map().and_then(|map| map.get(key)).map(|entry| &entry.node)
    }

    /// The map under a key, which is empty where there is none.
    pub(crate) fn map_at(&self, key: &str) -> impl Iterator<Item = (&String, &Entry)> {
        self.get(key).and_then(Node::as_map).into_iter().flatten()
    }

    /// In words, for a person whose value was of another kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Text(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// The files that were read: their names, and what their relative paths and variables mean.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    sources: Vec<Source>,
}

#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) shown: String,
    /// Relative paths in the file start here.
    pub(crate) folder: PathBuf,
    pub(crate) environment: Rc<Environment>,
}

impl Sources {
    pub(crate) fn add(&mut self, source: Source) -> FileId {
        self.sources.push(source);
        FileId(self.sources.len() as u32 - 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    pub(crate) fn of(&self, at: Position) -> &Source {
        &self.sources[at.file.0 as usize]
    }

    pub(crate) fn place(&self, at: Position) -> Place {
        let file = self.of(at).shown.clone();
        let line_and_column = (at.line > 0).then_some((at.line, at.column));
        Place { file, line_and_column }
    }

    /// A path of a file, absolute and without `.` and `..` in it.
    pub(crate) fn resolve(&self, at: Position, path: &str) -> PathBuf {
        let source = self.of(at);
        let home = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (home, source.environment.get("HOME")) {
            (Some(rest), Some(home)) => tidy(&Path::new(home).join(rest.trim_start_matches('/'))),
            (Some(_), None) | (None, _) => tidy(&source.folder.join(path)),
        }
    }
}

impl FileId {
    pub(crate) fn start(self) -> Position {
        Position { file: self, line: 0, column: 0 }
    }
}

/// Takes `.` and `..` out by the text alone: links are not looked at, as in all compose programs.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if clean.file_name().is_some() {
                    clean.pop();
                } else if !clean.has_root() {
                    clean.push("..");
                }
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                clean.push(component);
            }
        }
    }
    clean
}
