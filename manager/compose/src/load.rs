//! The way from a request to a project: the passes in their order.

use crate::environment::Environment;
use crate::loader::{Loader, NamedBy, Need, Surroundings, parent};
use crate::model::Project;
use crate::node::{Node, Position, Sources, Value, tidy};
use crate::problem::{Fault, Place, Problem, Problems, Report, quote};
use crate::{include, interpolate, merge, read, references, render, resolve, schema, select};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The name of a file that is none: what is piped into the program.
pub const STANDARD_INPUT: &str = "-";

/// Where files come from.
pub trait Files {
    /// The bytes of a file, of which no more than so many are of use: what is longer may be cut
    /// off behind them. Paths are absolute, or [`STANDARD_INPUT`].
    fn read(&self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    Missing,
    /// With the reason, for a person.
    Unreadable(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Later ones are said over earlier ones; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Absolute: where the person is.
    pub current_folder: PathBuf,
    /// What relative paths start from; the first file's folder where none is given.
    pub project_folder: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    /// Instead of the `.env` beside the first file; later ones are stronger.
    pub env_files: Vec<PathBuf>,
    pub profiles: Vec<String>,
    /// Only these and what they depend on; all where it is empty.
    pub services: Vec<String>,
    /// Stronger than the file's `name`.
    pub stack: Option<String>,
    pub strictness: Strictness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    Lenient,
    /// Warnings are errors.
    Strict,
}

#[derive(Debug)]
pub struct Loaded {
    pub project: Project,
    pub warnings: Vec<Problem>,
    resolved: Node,
    sources: Sources,
    strictness: Strictness,
}

impl Loaded {
    /// The resolved project as a compose file, which means the same without any other file.
    pub fn render(&self) -> String {
        render::yaml(&self.resolved)
    }

    /// The same as JSON.
    pub fn render_json(&self) -> String {
        render::json(&self.resolved)
    }

    /// Where something stands, for complaints that come later than reading: the place of a path
    /// such as `["services", "web", "ports", "0"]`, or of as much of it as somebody wrote.
    pub fn place(&self, path: &[&str]) -> Place {
        self.sources.place(self.position(path))
    }

    pub(crate) fn position(&self, path: &[&str]) -> Position {
        let mut node = &self.resolved;
        let mut at = node.at;
        for key in path {
            (node, at) = match &node.value {
                Value::Map(map) => match map.get(*key) {
                    Some(entry) => (&entry.node, entry.at),
                    None => break,
                },
                Value::List(list) => match key.parse().ok().and_then(|it: usize| list.get(it)) {
                    Some(item) => (item, item.at),
                    None => break,
                },
                Value::Null | Value::Text(_) => break,
            };
        }
        at
    }

    /// What a later step found, as strictly as was asked for.
    pub(crate) fn close(&self, mut report: Report) -> Result<Vec<Problem>, Problems> {
        if self.strictness == Strictness::Strict {
            report.turn_warnings_into_errors();
        }
        report.close(&self.sources)
    }
}

/// Reads what was asked for; all problems come at once.
pub fn load(request: &Request, files: &dyn Files) -> Result<Loaded, Problems> {
    let mut loader = Loader::new(request, files);
    let outcome = project(&mut loader, request);
    let Loader { sources, mut report, .. } = loader;
    let outcome = match outcome {
        Ok(outcome) => Some(outcome),
        Err(fault) => {
            report.error(fault);
            None
        }
    };
    if request.strictness == Strictness::Strict {
        report.turn_warnings_into_errors();
    }
    let warnings = report.close(&sources)?;
    // Whatever keeps a project from being read has been reported, and closing has returned it.
    let (project, resolved) = outcome.expect("a project without a problem has been read");
    Ok(Loaded { project, warnings, resolved, sources, strictness: request.strictness })
}

fn project(loader: &mut Loader<'_>, request: &Request) -> Result<(Project, Node), Fault> {
    let around = surroundings(loader, request)?;
    let (around, name) = name(loader, request, around)?;
    let mut tree = loader.merged(&request.files, &around, NamedBy::Person)?;
    include::include(loader, &mut tree, &around, &[])?;
    merge::settle(&mut tree);
    let selection = select::Selection {
        services: &request.services,
        profiles: &profiles(request, &around.environment),
    };
    select::select(&mut tree, &selection, &mut loader.report);
    references::check(&tree, &mut loader.report);
    select::drop_unused(&mut tree);
    schema::check(&tree, &schema::TOP, &mut loader.report);
    resolve::resolve(loader, &mut tree, &name)?;
    let project = read::project(&tree, &name, &loader.sources, &mut loader.report);
    schema::prune(&mut tree, &schema::TOP);
    resolve::forget_profiles(&mut tree);
    Ok((project, tree))
}

fn surroundings(loader: &mut Loader<'_>, request: &Request) -> Result<Surroundings, Fault> {
    let Some(first) = request.files.first() else {
        return Err(Fault::general("no compose file is given").hint("name one with -c FILE"));
    };
    let beside = match first.to_str() {
        Some(STANDARD_INPUT) => request.current_folder.clone(),
        Some(_) | None => parent(&request.current_folder.join(first)),
    };
    let folder = match &request.project_folder {
        Some(folder) => tidy(&request.current_folder.join(folder)),
        None => tidy(&beside),
    };
    let shell = Rc::new(Environment::new(request.environment.clone()));
    let environment = if request.env_files.is_empty() {
        loader.environment(&shell, &[folder.join(".env")], Need::Optional, NamedBy::Person)?
    } else {
        let files: Vec<PathBuf> =
            request.env_files.iter().map(|it| request.current_folder.join(it)).collect();
        loader.environment(&shell, &files, Need::Required, NamedBy::Person)?
    };
    Ok(Surroundings { folder, environment: Rc::new(environment) })
}

/// The project's name is also a variable, so it is looked for before all others are filled in.
fn name(
    loader: &mut Loader<'_>,
    request: &Request,
    around: Surroundings,
) -> Result<(Surroundings, String), Fault> {
    let given = match &request.stack {
        Some(stack) => Some((stack.clone(), None)),
        None => name_in_files(loader, request, &around)?,
    };
    let from_variable =
        || around.environment.get("COMPOSE_PROJECT_NAME").map(|it| (it.to_owned(), None));
    let Some((name, at)) = given.or_else(from_variable) else {
        return Err(Fault::general("the stack has no name")
            .hint("name it on the command line, or by `name:` at the top of the file"));
    };
    if let Err(bad) = name.parse::<common::Name>() {
        let text = format!("{} is not a stack's name: {}", quote(&name), bad.reason);
        return Err(match at {
            Some(at) => Fault::new(at, text),
            None => Fault::general(text),
        });
    }
    let environment = Rc::new(around.environment.with("COMPOSE_PROJECT_NAME", &name));
    let around = Surroundings { environment, folder: around.folder };
    Ok((around, name))
}

fn name_in_files(
    loader: &mut Loader<'_>,
    request: &Request,
    around: &Surroundings,
) -> Result<Option<(String, Option<Position>)>, Fault> {
    let mut found = None;
    for path in &request.files {
        let file = loader.parsed(&loader.absolute(path), around, NamedBy::Person)?;
        let Some(mut name) = file.get("name").cloned() else { continue };
        // Warnings come when the file is read for good; errors keep it from being read.
        let mut report = Report::default();
        interpolate::interpolate(&mut name, &around.environment, &mut loader.budget, &mut report)?;
        if report.has_errors() {
            loader.report.take_over(report);
        }
        found = name.as_text().map(|text| (text.to_owned(), Some(name.at))).or(found);
    }
    Ok(found)
}

fn profiles(request: &Request, environment: &Environment) -> Vec<String> {
    if !request.profiles.is_empty() {
        return request.profiles.clone();
    }
    let given = environment.get("COMPOSE_PROFILES").unwrap_or_default();
    given.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}
