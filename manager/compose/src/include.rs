//! `include`: other projects, whose services and resources become this one's.

use crate::environment::Environment;
use crate::loader::{Loader, NamedBy, Need, Surroundings, parent};
use crate::merge::settle;
use crate::node::{Entry, Map, Node, Value};
use crate::problem::{Fault, quote};
use crate::schema;
use std::path::PathBuf;
use std::rc::Rc;

const DEPTH_MAX: usize = 16;
const KINDS: [(&str, &str); 5] = [
    ("services", "service"),
    ("networks", "network"),
    ("volumes", "volume"),
    ("configs", "config"),
    ("secrets", "secret"),
];

/// Takes `include` out of the tree and puts in what it names; `chain` is the way that led here.
pub(crate) fn include(
    loader: &mut Loader<'_>,
    tree: &mut Node,
    around: &Surroundings,
    chain: &[PathBuf],
) -> Result<(), Fault> {
    let Some(include) = tree.as_map_mut().and_then(|map| map.remove("include")) else {
        return Ok(());
    };
    let list = match &include.node.value {
        Value::List(list) => list.as_slice(),
        Value::Null => &[],
        Value::Text(_) | Value::Map(_) => {
            return Err(Fault::new(include.at, "`include` wants a list of files"));
        }
    };
    for entry in list {
        schema::check(entry, &schema::INCLUDE, &mut loader.report);
        let mut part = included(loader, entry, around, chain)?;
        settle(&mut part);
        for (kind, one) in KINDS {
            adopt(loader, tree, &mut part, (kind, one));
        }
        // Of the rest, everything would be lost in silence.
        schema::check(&part, &schema::TOP, &mut loader.report);
    }
    Ok(())
}

fn included(
    loader: &mut Loader<'_>,
    entry: &Node,
    around: &Surroundings,
    chain: &[PathBuf],
) -> Result<Node, Fault> {
    let resolve = |key: &str, loader: &Loader<'_>| {
        let texts = entry.get(key).map(texts).unwrap_or_default();
        texts.iter().map(|text| loader.sources.resolve(entry.at, text)).collect::<Vec<PathBuf>>()
    };
    let paths = resolve("path", loader);
    let Some(first) = paths.first() else {
        return Err(Fault::new(entry.at, "an entry of `include` wants a `path`"));
    };
    if let Some(again) = paths.iter().find(|path| chain.contains(path)) {
        let name = again.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = format!("`include` goes in a circle, back to {}", quote(&name));
        return Err(Fault::new(entry.at, text));
    }
    if chain.len() > DEPTH_MAX {
        return Err(Fault::new(entry.at, format!("`include` goes deeper than {DEPTH_MAX} files")));
    }
    let folder = resolve("project_directory", loader).pop().unwrap_or_else(|| parent(first));
    let environment = environment(loader, entry, &folder, &around.environment)?;
    let around = Surroundings { folder, environment: Rc::new(environment) };
    let mut part = loader.merged(&paths, &around, NamedBy::File(entry.at))?;
    let mut chain = chain.to_vec();
    chain.extend(paths);
    include(loader, &mut part, &around, &chain)?;
    Ok(part)
}

/// What the including project says is stronger than the files of the included one.
fn environment(
    loader: &mut Loader<'_>,
    entry: &Node,
    folder: &std::path::Path,
    outer: &Rc<Environment>,
) -> Result<Environment, Fault> {
    let named = NamedBy::File(entry.at);
    match entry.get("env_file") {
        None => loader.environment(outer, &[folder.join(".env")], Need::Optional, named),
        Some(node) => {
            let paths: Vec<PathBuf> =
                texts(node).iter().map(|it| loader.sources.resolve(node.at, it)).collect();
            loader.environment(outer, &paths, Need::Required, named)
        }
    }
}

fn texts(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Text(text) => vec![text.text.clone()],
        Value::List(list) => list.iter().filter_map(|it| it.as_text().map(str::to_owned)).collect(),
        Value::Null | Value::Map(_) => Vec::new(),
    }
}

/// Nothing is merged: two things of one name are a mistake.
fn adopt(loader: &mut Loader<'_>, tree: &mut Node, part: &mut Node, (kind, one): (&str, &str)) {
    let Some(theirs) = part.as_map_mut().and_then(|map| map.remove(kind)) else { return };
    let at = theirs.at;
    let Value::Map(theirs) = theirs.node.value else { return };
    let Some(map) = tree.as_map_mut() else { return };
    let empty = || Entry { at, node: Node::new(at, Value::Map(Map::new())) };
    let ours = map.entry(kind.to_owned()).or_insert_with(empty);
    if ours.node.is_null() {
        ours.node.value = Value::Map(Map::new());
    }
    let Some(ours) = ours.node.as_map_mut() else { return };
    for (name, entry) in theirs {
        match ours.get(&name) {
            // Two ways may lead to one file.
            Some(own) if same(&own.node, &entry.node) => {}
            Some(_) => {
                let text = format!("{one} {} is declared here and by `include`", quote(&name));
                loader.report.error(Fault::new(entry.at, text));
            }
            None => {
                ours.insert(name, entry);
            }
        }
    }
}

fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) => true,
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((key, one), (other_key, other))| {
                    key == other_key && same(&one.node, &other.node)
                })
        }
        (Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_), _) => false,
    }
}
