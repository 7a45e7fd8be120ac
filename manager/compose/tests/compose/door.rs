//! The one door of these tests: files that are held in memory, and what comes of them as text.

use compose::{FileError, Files, Loaded, Problems, Request, Strictness};
use expect_test::Expect;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the person is; the files lie here.
pub(crate) const FOLDER: &str = "/srv/my stack: one";

pub(crate) struct Memory(pub(crate) BTreeMap<PathBuf, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
        let bytes = self.0.get(path).ok_or(FileError::Missing)?;
        Ok(bytes[..bytes.len().min(bytes_max)].to_vec())
    }
}

impl Memory {
    pub(crate) fn of(files: &[(&str, &str)]) -> Memory {
        let file = |(name, text): &(&str, &str)| {
            let path = if *name == "-" { PathBuf::from("-") } else { Path::new(FOLDER).join(name) };
            (path, text.as_bytes().to_vec())
        };
        Memory(files.iter().map(file).collect())
    }
}

pub(crate) fn request(files: &[&str]) -> Request {
    let variables = [("HOME", "/people/ann"), ("TAG", "7"), ("SHOP_DB_PASSWORD", "hush")];
    Request {
        files: files.iter().map(PathBuf::from).collect(),
        current_folder: PathBuf::from(FOLDER),
        project_folder: None,
        environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        env_files: Vec::new(),
        profiles: Vec::new(),
        services: Vec::new(),
        stack: Some("demo".to_owned()),
        strictness: Strictness::Lenient,
    }
}

/// The resolved files and the warnings, or the problems.
pub(crate) fn shown(outcome: &Result<Loaded, Problems>) -> String {
    match outcome {
        Ok(loaded) => {
            let warnings: String =
                loaded.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
            format!("{}{warnings}", loaded.render())
        }
        Err(problems) => format!("{problems}\n"),
    }
}

/// All files whose names begin with `compose` are given, in their order.
#[track_caller]
pub(crate) fn check(files: &[(&str, &str)], expected: Expect) {
    check_with(files, |_| {}, expected);
}

#[track_caller]
pub(crate) fn check_with(files: &[(&str, &str)], change: impl Fn(&mut Request), expected: Expect) {
    let names: Vec<&str> = files
        .iter()
        .filter_map(|(name, _)| (name.starts_with("compose") || *name == "-").then_some(*name))
        .collect();
    let mut request = request(&names);
    change(&mut request);
    expected.assert_eq(&shown(&compose::load(&request, &Memory::of(files))));
}
