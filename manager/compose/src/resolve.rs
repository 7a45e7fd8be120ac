//! The tree made free of its surroundings: paths absolute, files of variables read, names given.

use crate::dotenv::Format;
use crate::loader::{Loader, NamedBy, Need, VariableFile};
use crate::node::{Entry, Map, Node, Value};
use crate::problem::{Fault, quote};
use crate::schema;

pub(crate) fn resolve(loader: &mut Loader<'_>, tree: &mut Node, name: &str) -> Result<(), Fault> {
    let at = tree.at;
    let Some(top) = tree.as_map_mut() else { return Ok(()) };
    top.remove("version");
    top.insert("name".to_owned(), Entry { at, node: Node::quoted(at, name) });
    if let Some(services) = top.get_mut("services").and_then(|it| it.node.as_map_mut()) {
        for (service_name, entry) in services.iter_mut() {
            service(loader, &mut entry.node)?;
            built_image(loader, &mut entry.node, [name, service_name]);
        }
    }
    for kind in ["configs", "secrets"] {
        if let Some(files) = top.get_mut(kind).and_then(|it| it.node.as_map_mut()) {
            for entry in files.values_mut() {
                absolute(loader, &mut entry.node, "file");
            }
        }
    }
    for kind in ["networks", "volumes", "configs", "secrets"] {
        if let Some(things) = top.get_mut(kind).and_then(|it| it.node.as_map_mut()) {
            things.values_mut().for_each(|entry| external(&mut entry.node));
        }
    }
    Ok(())
}

/// `external: {name: x}` of version 2 without its name, which a later file may have taken away.
fn external(thing: &mut Node) {
    let Some(entry) = thing.as_map_mut().and_then(|map| map.get_mut("external")) else { return };
    if entry.node.as_map().is_some_and(Map::is_empty) {
        entry.node = Node::plain(entry.node.at, "true");
    }
    schema::spell_flag(&mut entry.node);
}

/// Takes out what has done its work: whoever reads the outcome chooses no profile.
pub(crate) fn forget_profiles(tree: &mut Node) {
    let services = tree.as_map_mut().and_then(|top| top.get_mut("services"));
    if let Some(services) = services.and_then(|entry| entry.node.as_map_mut()) {
        for entry in services.values_mut() {
            if let Some(service) = entry.node.as_map_mut() {
                service.remove("profiles");
            }
        }
    }
}

fn service(loader: &mut Loader<'_>, service: &mut Node) -> Result<(), Fault> {
    let Some(map) = service.as_map_mut() else { return Ok(()) };
    from_files(loader, map, "env_file", "environment")?;
    from_files(loader, map, "label_file", "labels")?;
    let environment = map.get_mut("environment").and_then(|it| it.node.as_map_mut());
    if let Some(environment) = environment {
        for (name, entry) in environment.iter_mut().filter(|(_, entry)| entry.node.is_null()) {
            let own = loader.sources.of(entry.node.at).environment.get(name);
            if let Some(value) = own {
                entry.node = Node::quoted(entry.at, value);
            }
        }
        environment.retain(|_, entry| !entry.node.is_null());
    }
    if let Some(Entry { node: Node { value: Value::List(mounts), .. }, .. }) =
        map.get_mut("volumes")
    {
        for mount in mounts {
            if mount.get("type").and_then(Node::as_text) == Some("bind") {
                say_whose(mount);
                absolute(loader, mount, "source");
            }
        }
    }
    Ok(())
}

/// What is built without a name has the name that compose programs give it.
fn built_image(loader: &mut Loader<'_>, service: &mut Node, [stack, name]: [&str; 2]) {
    let Some(map) = service.as_map_mut() else { return };
    let is_said = |key| map.get(key).is_some_and(|it| !schema::says_nothing(&it.node));
    if is_said("image") || !is_said("build") {
        return;
    }
    let Some(at) = map.get("build").map(|it| it.at) else { return };
    let image = format!("{stack}-{name}");
    let (name, used) = (quote(name), quote(&image));
    let text =
        format!("service {name} names no `image`: {used} is used, which must be there already");
    loader.report.warn(Fault::new(at, text));
    map.insert("image".to_owned(), Entry { at, node: Node::quoted(at, image) });
}

/// A path that begins at a compose file or in a home is that machine's alone. It is said beside
/// the path, which no longer tells once it is absolute.
fn say_whose(mount: &mut Node) {
    let Some(source) = mount.get("source") else { return };
    let is_absolute = source.as_text().is_none_or(|it| it.starts_with('/'));
    let at = source.at;
    if is_absolute {
        return;
    }
    let Some(map) = mount.as_map_mut() else { return };
    let bind = map.entry("bind".to_owned()).or_insert_with(|| Entry { at, node: Node::null(at) });
    if bind.node.is_null() {
        bind.node = Node::map_of(at, Vec::new());
    }
    if let Some(options) = bind.node.as_map_mut() {
        let said = Entry { at, node: Node::plain(at, "true") };
        options.entry("x-this-node".to_owned()).or_insert(said);
    }
}

fn absolute(loader: &Loader<'_>, node: &mut Node, key: &str) {
    let Some(entry) = node.as_map_mut().and_then(|map| map.get_mut(key)) else { return };
    let at = entry.node.at;
    if let Some(path) = entry.node.as_text()
        && let Some(path) = loader.sources.resolve(at, path).to_str()
    {
        entry.node = Node::quoted(at, path);
    }
}

/// Adds what files say below what the service itself says.
fn from_files(
    loader: &mut Loader<'_>,
    service: &mut Map,
    key: &str,
    into: &str,
) -> Result<(), Fault> {
    let Some(entry) = service.remove(key) else { return Ok(()) };
    let Value::List(files) = &entry.node.value else { return Ok(()) };
    let mut pairs = Map::new();
    for file in files {
        one_file(loader, file, key, &mut pairs)?;
    }
    let at = entry.at;
    let own = service.entry(into.to_owned()).or_insert_with(|| Entry { at, node: Node::null(at) });
    match &mut own.node.value {
        Value::Null => own.node.value = Value::Map(pairs),
        Value::Map(own) => {
            pairs.append(own);
            *own = pairs;
        }
        // The reader says that this is no mapping.
        Value::Text(_) | Value::List(_) => {}
    }
    Ok(())
}

fn one_file(loader: &mut Loader<'_>, file: &Node, key: &str, pairs: &mut Map) -> Result<(), Fault> {
    let at = file.at;
    let option = |key| file.get(key).and_then(Node::as_text);
    let Some(path) = file.as_text().or_else(|| option("path")) else {
        loader.report.error(Fault::new(at, format!("`{key}` wants the path of a file")));
        return Ok(());
    };
    let need = match option("required") {
        Some("false" | "no" | "off") => Need::Optional,
        Some(_) | None => Need::Required,
    };
    let format = match option("format") {
        None => Format::Compose,
        Some("raw") => Format::Raw,
        Some(other) => {
            let text = format!("there is no format {} of variables", quote(other));
            loader.report.error(Fault::new(at, text).hint("there is `raw`, or leave it out"));
            return Ok(());
        }
    };
    let path = loader.sources.resolve(at, path);
    let environment = loader.sources.of(at).environment.clone();
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let file = VariableFile { path: &path, format, need, named: NamedBy::File(at) };
    let Some(assignments) = loader.variables(&file, &lookup)? else { return Ok(()) };
    for assignment in assignments {
        let value = assignment.value.or_else(|| lookup(&assignment.name));
        let node = match value {
            Some(value) => Node::quoted(at, value),
            None => Node::null(at),
        };
        pairs.insert(assignment.name, Entry { at, node });
    }
    Ok(())
}
