//! One life of a node's store, for tests that cut its power: see `integration::disk`.
//!
//! `diskload live FOLDER PAST SEED` opens the store in FOLDER, checks it against what PAST says was
//! acknowledged, and works on it while it notes what it does in the journal of the shim.
//! `diskload check FOLDER PAST` only opens and checks.

use integration::disk::Finding;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match words[..] {
        ["live", folder, past, seed] => match seed.parse() {
            Ok(seed) => integration::disk::live(Path::new(folder), Path::new(past), seed),
            Err(error) => Err(anyhow::Error::new(error)),
        },
        ["check", folder, past] => integration::disk::check(Path::new(folder), Path::new(past)),
        _ => Err(anyhow::anyhow!("usage: diskload live FOLDER PAST SEED | check FOLDER PAST")),
    };
    match ended {
        Ok(finding) => {
            if let Finding::Lost(text) | Finding::Refused(text) = &finding {
                eprintln!("{text}");
            }
            finding.code().into()
        }
        Err(error) => {
            eprintln!("diskload: {error:#}");
            ExitCode::FAILURE
        }
    }
}
