//! The way from a request to a project: the passes in their order.

use crate::budget::Budget;
use crate::dotenv;
use crate::environment::Environment;
use crate::extends;
use crate::include;
use crate::interpolate;
use crate::merge;
use crate::model::Project;
use crate::node::{FileId, Node, Position, Source, Sources, Value, tidy};
use crate::parse;
use crate::problem::{Fault, Problem, Problems, Report, quote};
use crate::{read, references, render, resolve, schema, select, short};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The name of a file that is none: what is piped into the program.
pub const STANDARD_INPUT: &str = "-";

/// `include` and `extends` may name many files; real projects have a dozen.
const FILES_MAX: usize = 256;

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
}

impl Loaded {
    /// The resolved project as a compose file, which means the same without any other file.
    pub fn render(&self) -> String {
        render::render(&self.resolved)
    }
}

/// Reads what was asked for; all problems come at once, and no warnings beside them.
pub fn load(request: &Request, files: &dyn Files) -> Result<Loaded, Problems> {
    let mut loader = Loader::new(request, files);
    let outcome = loader.project(request);
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
    Ok(Loaded { project, warnings, resolved })
}

/// What the passes share.
pub(crate) struct Loader<'a> {
    files: &'a dyn Files,
    current_folder: PathBuf,
    /// It can be read once only, and the stack's name is looked for first.
    standard_input: Option<Vec<u8>>,
    pub(crate) sources: Sources,
    pub(crate) report: Report,
    pub(crate) budget: Budget,
}

/// What a file's relative paths and variables mean.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) folder: PathBuf,
    pub(crate) environment: Rc<Environment>,
}

impl<'a> Loader<'a> {
    fn new(request: &Request, files: &'a dyn Files) -> Loader<'a> {
        Loader {
            files,
            current_folder: request.current_folder.clone(),
            standard_input: None,
            sources: Sources::default(),
            report: Report::default(),
            budget: Budget::default(),
        }
    }

    fn project(&mut self, request: &Request) -> Result<(Project, Node), Fault> {
        let around = self.surroundings(request)?;
        let (around, name) = self.name(request, around)?;
        let mut tree = self.merged(&request.files, &around, NamedBy::Person)?;
        include::include(self, &mut tree, &around, &[])?;
        merge::settle(&mut tree);
        let selection = select::Selection {
            services: &request.services,
            profiles: &profiles(request, &around.environment),
        };
        select::select(&mut tree, &selection, &mut self.report);
        references::check(&tree, &mut self.report);
        select::drop_unused(&mut tree);
        schema::check(&tree, &schema::TOP, &mut self.report);
        resolve::resolve(self, &mut tree, &name)?;
        let project = read::project(&tree, &name, &self.sources, &mut self.report);
        schema::prune(&mut tree, &schema::TOP);
        Ok((project, tree))
    }

    fn surroundings(&mut self, request: &Request) -> Result<Surroundings, Fault> {
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
        let shell = Environment::new(request.environment.clone());
        let environment = if request.env_files.is_empty() {
            self.environment(&shell, &[folder.join(".env")], Need::Optional, NamedBy::Person)?
        } else {
            let files: Vec<PathBuf> =
                request.env_files.iter().map(|it| request.current_folder.join(it)).collect();
            self.environment(&shell, &files, Need::Required, NamedBy::Person)?
        };
        Ok(Surroundings { folder, environment: Rc::new(environment) })
    }

    /// The project's name is also a variable, so it is looked for before all others are filled in.
    fn name(
        &mut self,
        request: &Request,
        around: Surroundings,
    ) -> Result<(Surroundings, String), Fault> {
        let given = match &request.stack {
            Some(stack) => Some((stack.clone(), None)),
            None => self.name_in_files(request, &around)?,
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
        let mut environment = (*around.environment).clone();
        environment.set("COMPOSE_PROJECT_NAME", &name);
        let around = Surroundings { environment: Rc::new(environment), ..around };
        Ok((around, name))
    }

    fn name_in_files(
        &mut self,
        request: &Request,
        around: &Surroundings,
    ) -> Result<Option<(String, Option<Position>)>, Fault> {
        let mut found = None;
        for path in &request.files {
            let file = self.parsed(&self.absolute(path), around, NamedBy::Person)?;
            let Some(mut name) = file.get("name").cloned() else { continue };
            // Warnings come when the file is read for good.
            let mut report = Report::default();
            interpolate::interpolate(
                &mut name,
                &around.environment,
                &mut self.budget,
                &mut report,
            )?;
            found = name.as_text().map(|text| (text.to_owned(), Some(name.at))).or(found);
        }
        Ok(found)
    }

    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        if path.to_str() == Some(STANDARD_INPUT) {
            return path.to_owned();
        }
        tidy(&self.current_folder.join(path))
    }

    /// Several files as one, without what they include.
    pub(crate) fn merged(
        &mut self,
        paths: &[PathBuf],
        around: &Surroundings,
        named: NamedBy,
    ) -> Result<Node, Fault> {
        let mut merged: Option<Node> = None;
        for path in paths {
            let path = self.absolute(path);
            let mut file = self.file(&path, around, named)?;
            extends::extend_all(self, &mut file, &path, around)?;
            merged = Some(match merged {
                Some(base) => merge::merge_files(base, file),
                None => file,
            });
        }
        Ok(merged.unwrap_or_else(|| Node::null(self.nowhere())))
    }

    fn nowhere(&mut self) -> Position {
        let source = Source {
            shown: "(no file)".to_owned(),
            folder: self.current_folder.clone(),
            environment: Rc::default(),
        };
        self.sources.add(source).start()
    }

    /// One file with its variables filled in and its short forms written out.
    pub(crate) fn file(
        &mut self,
        path: &Path,
        around: &Surroundings,
        named: NamedBy,
    ) -> Result<Node, Fault> {
        let mut file = self.parsed(path, around, named)?;
        interpolate::interpolate(
            &mut file,
            &around.environment,
            &mut self.budget,
            &mut self.report,
        )?;
        short::write_out(&mut file, &mut self.report);
        Ok(file)
    }

    fn parsed(
        &mut self,
        path: &Path,
        around: &Surroundings,
        named: NamedBy,
    ) -> Result<Node, Fault> {
        let id = self.source(path, around, named)?;
        let bytes = self
            .bytes(path, parse::FILE_BYTES_MAX + 1)
            .map_err(|error| self.unreadable(id, named, error))?;
        let file = parse::parse(id, &bytes, &mut self.budget)?;
        match &file.value {
            Value::Map(_) => Ok(file),
            Value::Null => Err(Fault::new(file.at, "the file is empty")),
            Value::Text(_) | Value::List(_) => {
                let text = format!("a compose file is a mapping, not {}", file.kind());
                Err(Fault::new(file.at, text).hint("it begins with `services:`"))
            }
        }
    }

    fn source(
        &mut self,
        path: &Path,
        around: &Surroundings,
        named: NamedBy,
    ) -> Result<FileId, Fault> {
        if self.sources.len() >= FILES_MAX {
            let text = format!("more than {FILES_MAX} files are asked for");
            return Err(match named {
                NamedBy::Person => Fault::general(text),
                NamedBy::File(at) => Fault::new(at, text),
            });
        }
        let near = path.strip_prefix(&self.current_folder).unwrap_or(path);
        let shown = match near.to_str() {
            Some(STANDARD_INPUT) => "(standard input)".to_owned(),
            Some(_) | None => {
                near.display().to_string().replace(|c: char| c.is_control(), "\u{fffd}")
            }
        };
        let Surroundings { folder, environment } = around.clone();
        Ok(self.sources.add(Source { shown, folder, environment }))
    }

    /// Where it is named is what is to be put right.
    fn unreadable(&self, id: FileId, named: NamedBy, error: FileError) -> Fault {
        let reason = match error {
            FileError::Missing => "it is not there".to_owned(),
            FileError::Unreadable(reason) => reason,
        };
        match named {
            NamedBy::Person => Fault::new(id.start(), format!("it cannot be read: {reason}")),
            NamedBy::File(at) => {
                let shown = quote(&self.sources.of(id.start()).shown);
                Fault::new(at, format!("{shown} cannot be read: {reason}"))
            }
        }
    }

    fn bytes(&mut self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
        if let Some(bytes) = &self.standard_input
            && path.to_str() == Some(STANDARD_INPUT)
        {
            return Ok(bytes.clone());
        }
        let bytes = self.files.read(path, bytes_max)?;
        if path.to_str() == Some(STANDARD_INPUT) {
            self.standard_input = Some(bytes.clone());
        }
        Ok(bytes)
    }

    /// An environment with files of variables added.
    pub(crate) fn environment(
        &mut self,
        outer: &Environment,
        paths: &[PathBuf],
        need: Need,
        named: NamedBy,
    ) -> Result<Environment, Fault> {
        let lookup = |name: &str| outer.get(name).map(str::to_owned);
        let mut files: Vec<Vec<dotenv::Assignment>> = Vec::new();
        for path in paths {
            let file = VariableFile { path, format: dotenv::Format::Compose, need, named };
            files.extend(self.variables(&file, &lookup)?);
        }
        Ok(outer.with_files(files))
    }

    /// None where a file is not there and need not be.
    pub(crate) fn variables(
        &mut self,
        file: &VariableFile<'_>,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Vec<dotenv::Assignment>>, Fault> {
        let folder = parent(file.path);
        let around = Surroundings { folder, environment: Rc::default() };
        let id = self.source(file.path, &around, file.named)?;
        match (self.files.read(file.path, dotenv::FILE_BYTES_MAX + 1), file.need) {
            (Ok(bytes), _) => dotenv::parse(id, &bytes, file.format, lookup).map(Some),
            (Err(FileError::Missing), Need::Optional) => Ok(None),
            (Err(error), _) => Err(self.unreadable(id, file.named, error)),
        }
    }
}

/// A file of variables, and who wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VariableFile<'a> {
    pub(crate) path: &'a Path,
    pub(crate) format: dotenv::Format,
    pub(crate) need: Need,
    pub(crate) named: NamedBy,
}

/// Who named a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NamedBy {
    /// On the command line, or by having it in its usual place.
    Person,
    File(Position),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

pub(crate) fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn profiles(request: &Request, environment: &Environment) -> Vec<String> {
    if !request.profiles.is_empty() {
        return request.profiles.clone();
    }
    let given = environment.get("COMPOSE_PROFILES").unwrap_or_default();
    given.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}
