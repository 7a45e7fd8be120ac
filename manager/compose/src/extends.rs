//! `extends`: a service that begins as another one is.

use crate::budget::{Exceeded, cost_of};
use crate::loader::{Loader, NamedBy, Surroundings, parent};
use crate::merge::merge_services;
use crate::node::{Node, Position};
use crate::problem::{Fault, quote};
use crate::schema::probable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const CHAIN_MAX: usize = 32;

/// A service of a file, by which cycles are known.
type Place = (PathBuf, String);

/// Replaces every service of the file that extends another one by what comes of it.
pub(crate) fn extend_all(
    loader: &mut Loader<'_>,
    file: &mut Node,
    path: &Path,
    around: &Surroundings,
) -> Result<(), Fault> {
    let extending = |(name, entry): (&String, &crate::node::Entry)| {
        entry.node.get("extends").is_some().then(|| name.clone())
    };
    let names: Vec<String> = file.map_at("services").filter_map(extending).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut extender = Extender { loader, files: BTreeMap::new(), chain: Vec::new() };
    extender.files.insert(path.to_owned(), file.clone());
    for name in names {
        let at = file.get("services").map_or(file.at, |it| it.at);
        let service = extender.service(&(path.to_owned(), name.clone()), at, around)?;
        let services = file.as_map_mut().and_then(|map| map.get_mut("services"));
        let entry = services
            .and_then(|services| services.node.as_map_mut())
            .and_then(|services| services.get_mut(&name));
        if let Some(entry) = entry {
            entry.node = service;
        }
    }
    Ok(())
}

struct Extender<'a, 'b> {
    loader: &'a mut Loader<'b>,
    files: BTreeMap<PathBuf, Node>,
    chain: Vec<Place>,
}

impl Extender<'_, '_> {
    /// The service with all that it extends; `at` is where it was named.
    fn service(
        &mut self,
        place: &Place,
        at: Position,
        around: &Surroundings,
    ) -> Result<Node, Fault> {
        if self.chain.contains(place) {
            let names: Vec<&str> = self.chain.iter().map(|(_, name)| name.as_str()).collect();
            let circle = quote(&format!("{} → {}", names.join(" → "), place.1));
            return Err(Fault::new(at, format!("`extends` goes in a circle: {circle}")));
        }
        if self.chain.len() == CHAIN_MAX {
            return Err(Fault::new(
                at,
                format!("`extends` goes on for more than {CHAIN_MAX} steps"),
            ));
        }
        let mut own = self.find(place, at)?;
        self.loader
            .budget
            .spend(cost_of(&own))
            .map_err(|Exceeded| Fault::new(at, Exceeded::TEXT))?;
        let Some(extends) = own.as_map_mut().and_then(|map| map.remove("extends")) else {
            return Ok(own);
        };
        if extends.node.is_null() || extends.node.order == crate::node::Order::Remove {
            return Ok(own);
        }
        let Some(name) = extends.node.get("service").and_then(Node::as_text) else {
            return Err(Fault::new(extends.node.at, "`extends` wants the name of a service")
                .hint("write `extends: {service: NAME, file: FILE}`, the file if it is another"));
        };
        if let Some(odd) = extends
            .node
            .as_map()
            .and_then(|map| map.iter().find(|(key, _)| !matches!(key.as_str(), "service" | "file")))
        {
            let text = format!("there is no key {} in `extends`", quote(odd.0));
            self.loader.report.error(Fault::new(odd.1.at, text));
        }
        let (path, around) = self.open(place, &extends.node, around)?;
        self.chain.push(place.clone());
        let base = self.service(&(path, name.to_owned()), extends.node.at, &around)?;
        self.chain.pop();
        Ok(merge_services(base, own))
    }

    /// The file that is extended from, read once.
    fn open(
        &mut self,
        place: &Place,
        extends: &Node,
        around: &Surroundings,
    ) -> Result<(PathBuf, Surroundings), Fault> {
        let Some(file) = extends.get("file").and_then(Node::as_text) else {
            return Ok((place.0.clone(), around.clone()));
        };
        let path = self.loader.sources.resolve(extends.at, file);
        // Its relative paths are its own: it may be shared by several projects.
        let around = Surroundings { folder: parent(&path), ..around.clone() };
        if !self.files.contains_key(&path) {
            let read = self.loader.file(&path, &around, NamedBy::File(extends.at))?;
            self.files.insert(path.clone(), read);
        }
        Ok((path, around))
    }

    fn find(&self, (path, name): &Place, at: Position) -> Result<Node, Fault> {
        let services = self.files.get(path).and_then(|file| file.get("services"));
        let names = services.and_then(Node::as_map);
        let found = names.and_then(|names| names.get(name)).map(|entry| entry.node.clone());
        found.ok_or_else(|| {
            let fault = Fault::new(at, format!("there is no service {} to extend", quote(name)));
            let known = names.into_iter().flatten().map(|(name, _)| name.as_str());
            match probable(name, known) {
                Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
                None => fault,
            }
        })
    }
}
