//! `skep`: the command line and the daemon of a full node.

use std::process::ExitCode;

/// Two threads do: the work is waiting, and a board has few cores.
fn main() -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(manager::cli::run(manager::daemon::run)),
        Err(error) => {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "error: no threads can be started: {error}"));
            ExitCode::FAILURE
        }
    }
}
