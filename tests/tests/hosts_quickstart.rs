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
        (&[][..], &["skep init", "service create", "->", "It runs"][..]),
        (&[], &["is up to date", "runs already", "a member already", "hello is there", "->"]),
        (&["--down"], &["stopping skep"]),
        (&["--down"], &["there is none"]),
        (&[], &["skep init", "service create", "->", "It runs"]),
    ];
    for (number, (arguments, expected)) in runs.into_iter().enumerate() {
        let said = quickstart(host, arguments).ok();
        for words in expected {
            assert!(said.contains(words), "run {number} does not say {words:?}:\n{said}");
        }
        let answers = host.docker(&["ps", "-q", "-f", "label=skep.service.name=hello"]).lines();
        let expected_count = if arguments.is_empty() { 2 } else { 0 };
        assert_eq!(answers.len(), expected_count, "containers after run {number}:\n{said}");
    }
}
