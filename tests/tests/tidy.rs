//! House rules that no lint knows: how long files are, how they begin, which names belong where.
//!
//! Each rule collects all its offences, so one run shows everything there is to put right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE_LINES_MAX: usize = 500;
const LINE_COLUMNS_MAX: usize = 100;
/// Files that were longer when the rule came, and how long they may be: numbers only sink.
const LONGER_FILES: [(&str, usize); 0] = [];

const DOCUMENTS: [(&str, usize); 4] =
    [("README.md", 120), ("ARCHITECTURE.md", 250), ("STYLE.md", 150), ("deploy/README.md", 60)];

/// (a name, the folders and files where it may stand, why nowhere else)
const NAMES: &[(&str, &[&str], &str)] = &[
    ("openraft::", &["manager/src/raft/"], "the rest of the manager knows our own `Replica` only"),
    (
        "sled::",
        &["common/shell/src/store", "common/shell/tests/", "manager/src/raft/"],
        "storage hides behind our own traits",
    ),
    ("bollard::", &["agent/src/docker/"], "the rest of the agent knows our own trait only"),
    ("tokio::spawn", SUPERVISOR, "every task has an owner"),
    ("task::spawn(", SUPERVISOR, "every task has an owner"),
    ("JoinSet", SUPERVISOR, "every task has an owner"),
    ("SystemTime", &["common/shell/src/clock.rs"], "wall clocks of small boards lie"),
    ("unbounded_channel", &[], "every queue has a bound"),
    ("OsRng", &["common/shell/src/clock.rs"], "chance has one source"),
    ("for v1::", CALL_SITES, "conversions live in one place"),
    ("From<v1::", CALL_SITES, "conversions live in one place"),
    ("From<&v1::", CALL_SITES, "conversions live in one place"),
];
const CALL_SITES: &[&str] = &["proto/src/convert/", "manager/src/grpc/", "manager/src/cli/"];
const SUPERVISOR: &[&str] = &["common/shell/src/supervisor.rs"];

/// Words of unfinished work and of places outside the repository, in two halves each: this file is
/// looked at too.
const WORDS: [(&str, &str); 5] =
    [("TO", "DO"), ("FIX", "ME"), ("dbg", "!("), ("/wo", "rk/"), ("/ho", "me/")];

struct File {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Tests may reach for what the product must not.
    fn is_test(&self) -> bool {
        let parts = || self.path.split('/');
        parts().any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines of program and not of comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

#[test]
fn files_are_short() {
    let longest = |file: &File| {
        let allowed = LONGER_FILES.iter().find(|(path, _)| *path == file.path);
        allowed.map_or(FILE_LINES_MAX, |(_, lines)| *lines)
    };
    let rust = files().into_iter().filter(File::is_rust).map(|file| {
        let most = longest(&file);
        (file, most)
    });
    let documents = files().into_iter().filter_map(|file| {
        let most = DOCUMENTS.iter().find(|(path, _)| *path == file.path)?.1;
        Some((file, most))
    });
    check(rust.chain(documents).filter_map(|(file, most)| {
        let lines = file.lines().count();
        (lines > most).then(|| format!("{}: {lines} lines, {most} at most", file.path))
    }));
}

#[test]
fn every_file_says_what_it_is_for() {
    check(files().into_iter().filter(File::is_rust).filter_map(|file| {
        let says = file.text.starts_with("//! ");
        (!says).then(|| format!("{}: begins without a //! sentence", file.path))
    }));
}

#[test]
fn names_stay_where_they_belong() {
    let mut offences = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && !file.is_test()) {
        for (name, places, why) in NAMES {
            if !places.iter().any(|place| file.path.starts_with(place)) {
                for (number, _) in file.code().filter(|(_, line)| line.contains(name)) {
                    offences.push(format!("{}:{number}: {name} ({why})", file.path));
                }
            }
        }
    }
    check(offences.into_iter());
}

#[test]
fn no_word_of_unfinished_work_or_of_one_machine() {
    let mut offences = Vec::new();
    for file in files() {
        for word in WORDS.map(|(one, two)| format!("{one}{two}")) {
            for (number, _) in file.lines().filter(|(_, line)| line.contains(&word)) {
                offences.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    check(offences.into_iter());
}

#[test]
fn lines_are_clean() {
    check(files().into_iter().flat_map(|file| {
        let found = file.lines().filter_map(|(number, line)| {
            // rustfmt sees to blanks at the ends of Rust code; in its strings they have a meaning.
            let fault = if !file.is_rust() && line.ends_with([' ', '\t', '\r']) {
                "ends with a blank"
            } else if file.is_rust() && line.starts_with('\t') {
                "is indented by a tabulator"
            } else if is_too_wide(&file, line) {
                "is too wide"
            } else {
                return None;
            };
            Some(format!("{}:{number}: {fault}", file.path))
        });
        let mut found: Vec<String> = found.collect();
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            found.push(format!("{}: the last line has no end", file.path));
        }
        found
    }));
}

#[test]
fn all_crates_come_from_one_registry() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("there is a lock file");
    let sources: Vec<&str> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    assert!(!sources.is_empty(), "the lock file names sources");
    check(sources.into_iter().filter_map(|line| {
        let known = line.contains("registry+https://github.com/rust-lang/crates.io-index");
        (!known).then(|| line.to_owned())
    }));
}

/// One that does not would be missed only when somebody looks for it.
#[test]
fn bugs_can_be_planted() {
    let folder = root().join("manager/core/tests/planted");
    let entries = fs::read_dir(&folder).expect("there are bugs to plant");
    let patches = entries.map(|it| it.expect("the folder can be read").path());
    let patches = patches.filter(|it| it.extension().is_some_and(|it| it == "patch"));
    // As deploy/planted-bugs applies them.
    let fits = |patch: &Path| {
        let arguments = ["apply", "--recount", "-C1", "--check"];
        let mut git = Command::new("git");
        git.args(arguments).arg(patch).current_dir(root());
        git.status().expect("git runs").success()
    };
    check(patches.filter(|it| !fits(it)).map(|it| format!("{}: does not apply", it.display())));
}

fn is_too_wide(file: &File, line: &str) -> bool {
    // Text in quotes may have to stay in one piece. Tests are full of stories and of what is shown
    // to people, over many lines; rustfmt keeps their code narrow.
    let is_data = file.is_test() || line.contains('"');
    file.is_rust() && line.chars().count() > LINE_COLUMNS_MAX && !is_data
}

/// Fails with all that was found.
#[track_caller]
fn check(offences: impl Iterator<Item = String>) {
    let offences: Vec<String> = offences.collect();
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

/// All files of ours that are text.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    gather(&root(), &mut found);
    assert!(found.len() > 50, "the repository has more files than {}", found.len());
    found
}

fn gather(folder: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the repository can be read") {
        let path = entry.expect("the repository can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("our names are UTF-8");
        if path.is_dir() {
            if !matches!(name, "target" | ".git") {
                gather(&path, found);
            }
        } else if is_ours(&path, name) {
            let text = fs::read_to_string(&path).expect("our files are UTF-8");
            let path = path.strip_prefix(root()).expect("it lies below the root");
            found.push(File { path: path.display().to_string(), text });
        }
    }
}

/// Known by its ending; scripts have none and lie in `deploy/`.
fn is_ours(path: &Path, name: &str) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending {
        Some("rs" | "toml" | "md" | "proto" | "service" | "yml" | "yaml") => true,
        Some(_) => false,
        None => name != "LICENSE" && path.starts_with(root().join("deploy")),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_path_buf()
}
