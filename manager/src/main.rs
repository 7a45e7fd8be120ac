//! `skep`: the command line and the daemon of a full node.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = agent::fence::run_if_asked() {
        return code;
    }
    match shell::threads::runtime() {
        Ok(runtime) => runtime.block_on(manager::cli::run(manager::daemon::run)),
        Err(error) => {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "error: no threads can be started: {error}"));
            ExitCode::FAILURE
        }
    }
}
