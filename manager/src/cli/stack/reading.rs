//! Compose files from this machine's disk and standard input.

use super::super::error::CliError;
use super::super::out;
use clap::Args;
use common::Name;
use compose::{FileError, Files, Loaded, Problems, Request, STANDARD_INPUT, Strictness};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Args)]
pub(in crate::cli) struct ProjectFlags {
    /// A compose file, or - for standard input; later ones are said over earlier ones
    #[arg(long, short = 'c', value_name = "FILE", required = true)]
    compose_file: Vec<PathBuf>,
    /// Variables for the files, instead of the .env beside the first; later ones are stronger
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<PathBuf>,
    /// Services of this profile as well
    #[arg(long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,
    /// Where relative paths begin, instead of the first file's folder
    #[arg(long, value_name = "FOLDER")]
    project_directory: Option<PathBuf>,
    /// What would be a warning is an error
    #[arg(long)]
    strict: bool,
}

pub(super) fn load(
    flags: &ProjectFlags,
    stack: Option<&Name>,
    services: &[String],
) -> Result<Loaded, CliError> {
    let folder = std::env::current_dir().map_err(|source| CliError::Unreadable {
        path: PathBuf::from("the current folder"),
        source,
    })?;
    let request = Request {
        files: flags.compose_file.clone(),
        current_folder: folder,
        project_folder: flags.project_directory.clone(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        env_files: flags.env_files.clone(),
        profiles: flags.profiles.clone(),
        services: services.to_vec(),
        stack: stack.map(ToString::to_string),
        strictness: if flags.strict { Strictness::Strict } else { Strictness::Lenient },
    };
    let loaded = compose::load(&request, &Disk::default());
    let loaded = loaded.map_err(refused)?;
    loaded.warnings.iter().for_each(|it| out::warning(&it.to_string()));
    Ok(loaded)
}

/// With what may explain it, and which is no error itself.
pub(super) fn refused(problems: Problems) -> CliError {
    problems.warnings.iter().for_each(|it| out::warning(&it.to_string()));
    CliError::Usage(problems.to_string())
}

/// Standard input can be read once, and a file may be asked for twice.
#[derive(Default)]
struct Disk {
    piped: Mutex<Option<Vec<u8>>>,
}

impl Files for Disk {
    fn read(&self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
        if path == Path::new(STANDARD_INPUT) {
            let mut piped = self.piped.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bytes) = &*piped {
                return Ok(bytes.clone());
            }
            let bytes = read(std::io::stdin().lock(), bytes_max)?;
            return Ok(piped.insert(bytes).clone());
        }
        let file = std::fs::File::open(path).map_err(|it| error(&it))?;
        // Of a folder the reading fails, and with a reason that says less.
        if file.metadata().is_ok_and(|it| it.is_dir()) {
            return Err(FileError::Unreadable("it is a folder".to_owned()));
        }
        read(file, bytes_max)
    }
}

fn read(source: impl Read, bytes_max: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    source.take(limit).read_to_end(&mut bytes).map_err(|it| error(&it))?;
    Ok(bytes)
}

fn error(error: &std::io::Error) -> FileError {
    if error.kind() == ErrorKind::NotFound {
        FileError::Missing
    } else {
        FileError::Unreadable(error.to_string())
    }
}
