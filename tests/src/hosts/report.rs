//! What to look at when a condition did not come true: logs and the cluster's own view.

use super::Lab;
use super::host::{DAEMON, ENGINE, Host};
use super::power::tail;

const DAEMON_LINES: usize = 60;
const ENGINE_LINES: usize = 8;
/// A daemon without a leader may take its time over an answer; there are many to ask.
const ANSWER_SECONDS: &str = "5";

/// Prints to standard error, which test runners show for failed tests only.
pub(super) fn print(lab: &Lab) {
    for host in lab.hosts() {
        let power = if host.is_on() { "on" } else { "off" };
        section(
            &format!("{} ({power}): dockerd", host.name()),
            &tail(&host.names, ENGINE, ENGINE_LINES),
        );
        section(&format!("{}: skep", host.name()), &tail(&host.names, DAEMON, DAEMON_LINES));
    }
    for host in lab.hosts().filter(|host| host.is_on()) {
        section(&format!("{}: containers", host.name()), &host.docker(&["ps", "--all"]).stdout);
        if host.daemon_runs() {
            view(host);
        }
    }
}

/// The cluster as one of its members sees it. Views that differ are often the very fault.
fn view(host: &Host) {
    for words in [&["node", "ls"][..], &["service", "ls"]] {
        section(&format!("{}: skep {}", host.name(), words.join(" ")), &ask(host, words));
    }
    for service in ask(host, &["service", "ls", "--quiet"]).split_whitespace() {
        let words = ["service", "ps", "--no-trunc", service];
        section(&format!("{}: skep service ps {service}", host.name()), &ask(host, &words));
    }
}

fn ask(host: &Host, words: &[&str]) -> String {
    let program = super::command::binary("skep").display().to_string();
    let output = host.run(&[&["timeout", ANSWER_SECONDS, &program][..], words].concat());
    if output.is_ok() { output.stdout } else { String::new() }
}

fn section(title: &str, text: &str) {
    if !text.trim().is_empty() {
        eprintln!("--- {title}\n{}", text.trim_end());
    }
}
