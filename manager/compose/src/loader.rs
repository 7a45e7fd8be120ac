//! What all passes share: files with their positions, the report and the budget.

use crate::budget::{Budget, Exceeded, cost_of_bytes, cost_of_text};
use crate::dotenv;
use crate::environment::Environment;
use crate::extends;
use crate::interpolate;
use crate::load::{FileError, Files, Request, STANDARD_INPUT};
use crate::merge;
use crate::node::{FileId, Node, Position, Source, Sources, Value, tidy};
use crate::parse;
use crate::problem::{Fault, Report, quote};
use crate::short;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// `include`, `extends` and `env_file` may name many files; real projects have a dozen.
const FILES_MAX: usize = 1024;

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
    pub(crate) fn new(request: &Request, files: &'a dyn Files) -> Loader<'a> {
        Loader {
            files,
            current_folder: request.current_folder.clone(),
            standard_input: None,
            sources: Sources::default(),
            report: Report::default(),
            budget: Budget::default(),
        }
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

    pub(crate) fn parsed(
        &mut self,
        path: &Path,
        around: &Surroundings,
        named: NamedBy,
    ) -> Result<Node, Fault> {
        let id = self.source(path, around, named)?;
        let bytes = self
            .bytes(path, parse::FILE_BYTES_MAX + 1)
            .map_err(|error| self.unreadable(id, named, error))?;
        self.spend(id, cost_of_bytes(&bytes))?;
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

    fn spend(&mut self, id: FileId, cost: usize) -> Result<(), Fault> {
        self.budget.spend(cost).map_err(|Exceeded| Fault::new(id.start(), Exceeded::TEXT))
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
        outer: &Rc<Environment>,
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
        Ok(Environment::below(outer.clone(), files))
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
            (Ok(bytes), _) => {
                let found = dotenv::parse(id, &bytes, file.format, lookup, &mut self.report)?;
                let value = |it: &dotenv::Assignment| it.value.as_deref().map_or(0, cost_of_text);
                let values: usize = found.iter().map(|it| 1 + value(it)).sum();
                self.spend(id, cost_of_bytes(&bytes) + values)?;
                Ok(Some(found))
            }
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
