//! The bugs that `deploy/planted-bugs` plants must still find their place in the source: each of
//! their hunks, with the lines around it, stands there exactly once.

use std::path::{Path, PathBuf};

/// What one hunk looks for.
#[derive(Debug)]
struct Hunk {
    file: String,
    lines: Vec<String>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn hunks(patch: &str) -> Vec<Hunk> {
    let (mut hunks, mut file): (Vec<Hunk>, _) = (Vec::new(), String::new());
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            path.clone_into(&mut file);
        } else if line.starts_with("@@") {
            hunks.push(Hunk { file: file.clone(), lines: Vec::new() });
        } else if let (Some(hunk), Some(old)) = (hunks.last_mut(), line.strip_prefix([' ', '-'])) {
            hunk.lines.push(old.to_owned());
        }
    }
    hunks
}

#[expect(clippy::disallowed_methods, reason = "the patches and what they change are files")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "the patches are files")]
fn patches() -> Vec<PathBuf> {
    let folder = repository().join("manager/core/tests/planted");
    let entries = std::fs::read_dir(folder).expect("the folder is part of the repository");
    let mut patches: Vec<PathBuf> = entries.map(|it| it.expect("it can be read").path()).collect();
    patches.sort();
    patches
}

#[test]
fn every_planted_bug_finds_its_place() {
    let mut astray: Vec<String> = Vec::new();
    let patches = patches();
    for patch in &patches {
        let text = read(patch);
        let (name, hunks) = (patch.file_name().unwrap_or_default(), hunks(&text));
        let says_what = text.lines().next().is_some_and(|it| it.ends_with('.'));
        if !says_what || hunks.is_empty() {
            astray.push(format!("{name:?}: first what was got wrong, then hunks"));
        }
        for hunk in hunks {
            let source = read(&repository().join(&hunk.file));
            let lines: Vec<&str> = source.lines().collect();
            let found = lines.windows(hunk.lines.len()).filter(|it| *it == hunk.lines).count();
            if found != 1 {
                astray.push(format!("{name:?}: {found} places in {}", hunk.file));
            }
        }
    }
    assert!(astray.is_empty(), "make these patches anew: {astray:#?}");
    assert!(patches.len() >= 10, "{} bugs are too few", patches.len());
}
