//! The library that stands between a real program and its files: built here, told here what to do
//! while the program runs. `shim.c` says how it works and how to use it by hand.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = include_str!("shim.c");

/// What the disk is asked to be like from now on. The default is an ordinary disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// How much longer each sync takes.
    pub sync_ms: u64,
    /// Whether writes fail that would make a file larger.
    pub is_full: bool,
}

/// Paths as the program sees them, which may run in a mount namespace of its own.
#[derive(Debug, Clone)]
pub struct Shim {
    library: PathBuf,
    /// Only what lies below it is looked at.
    folder: PathBuf,
    control: PathBuf,
    journal: Option<PathBuf>,
}

impl Shim {
    /// Compiles the library into `home`, where its control file will lie too, for a program that
    /// keeps its files in `folder`.
    pub fn build(home: &Path, folder: &Path) -> Shim {
        let library = home.join("shim.so");
        let arguments = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-x", "c", "-"];
        let mut compiler = Command::new("cc")
            .args(arguments)
            .arg("-o")
            .arg(&library)
            .stdin(Stdio::piped())
            .spawn()
            .expect("there is a C compiler (deploy/test installs gcc)");
        let mut input = compiler.stdin.take().expect("it is piped");
        input.write_all(SOURCE.as_bytes()).expect("the compiler reads its input");
        drop(input);
        assert!(compiler.wait().expect("it was started").success(), "the shim does not compile");
        let control = home.join("disk.control");
        Shim { library, folder: folder.to_owned(), control, journal: None }
    }

    /// Records every operation there, too.
    pub fn with_journal(self, journal: PathBuf) -> Shim {
        Shim { journal: Some(journal), ..self }
    }

    /// What the program has to find in its environment.
    pub fn variables(&self) -> Vec<(&'static str, &Path)> {
        let mut variables = vec![
            ("LD_PRELOAD", self.library.as_path()),
            ("SKEP_SHIM_FOLDER", self.folder.as_path()),
            ("SKEP_SHIM_CONTROL", self.control.as_path()),
        ];
        variables.extend(self.journal.as_deref().map(|it| ("SKEP_SHIM_JOURNAL", it)));
        variables
    }

    /// From the next operation on. By a rename, for a program must not read half of it.
    pub fn ask(&self, ask: Ask) {
        let text = format!("sync_ms={}\nfull={}\n", ask.sync_ms, u8::from(ask.is_full));
        let fresh = self.control.with_extension("fresh");
        let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.control));
        written.unwrap_or_else(|error| panic!("{}: {error}", self.control.display()));
    }
}
