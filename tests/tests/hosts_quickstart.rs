//! The quick start on a machine that has an engine and nothing else: it works, it may be repeated,
//! and it undoes itself.

use std::path::Path;

use integration::hosts::{Host, Lab, Output, binary};

fn quickstart(host: &Host, arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root");
    let script = root.join("deploy/quickstart").display().to_string();
    let program = format!("SKEP_BIN={}", binary("skep").display());
    host.run(&[&["env", &program, &script][..], arguments].concat())
}

#[test]
fn quickstart_works_repeats_and_undoes_itself() {
    let lab = Lab::new("quickstart", 1);
    let host = lab.host(1);
    let runs = [
        (
            &[][..],
            &["skep init", "3 to create", "Stack example converged", "->  hello", "It runs"][..],
        ),
        (&[], &["is up to date", "runs already", "a member already", "3 unchanged", "->  hello"]),
        (&["--down"], &["Removing service example_web", "stopping skep"]),
        (&["--down"], &["there is none"]),
        (&[], &["skep init", "3 to create", "->  hello", "It runs"]),
    ];
    let mut before = Vec::new();
    for (number, (arguments, expected)) in runs.into_iter().enumerate() {
        let said = quickstart(host, arguments).ok();
        for words in expected {
            assert!(said.contains(words), "run {number} does not say {words:?}:\n{said}");
        }
        // Three that run, and the job that has run.
        let containers = host.docker(&["ps", "-aq", "-f", "label=skep.stack=example"]).lines();
        let expected_count = if arguments.is_empty() { 4 } else { 0 };
        assert_eq!(containers.len(), expected_count, "containers after run {number}:\n{said}");
        if number == 1 {
            assert_eq!(containers, before, "running it again changes nothing");
        }
        before = containers;
        if arguments == ["--down"] {
            let left = |path| host.run(&["test", "-e", path]).is_ok();
            assert!(!left("/var/lib/skep") && !left("/usr/local/bin/skep"), "{said}");
            assert!(host.docker(&["volume", "ls", "-q"]).lines().is_empty(), "{said}");
        }
    }
}
