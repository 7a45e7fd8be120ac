//! What runs in a container, and what it finds around itself.

use super::{Checked, refuse_if};
use common::container::{ContainerSpec, HealthCheck, Probe, ProbeCommand};
use std::time::Duration;

/// What the kernel takes for a host's name.
const HOSTNAME_BYTES_MAX: usize = 64;
/// The engine's own floor.
const PROBE_LEAST: Duration = Duration::from_millis(1);

pub(super) fn check(spec: &ContainerSpec) -> Checked {
    let signal = spec.stop_signal.as_deref().filter(|it| !is_signal(it));
    let variable = spec.env.iter().find(|it| it.is_empty() || it.starts_with('='));
    let workdir = spec.workdir.as_deref().filter(|it| !it.starts_with('/'));
    let hostname = spec.hostname.as_deref().filter(|it| !is_hostname(it));
    refuse_if([
        (signal.is_some(), &|| {
            let signal = signal.unwrap_or_default();
            format!("`{signal}` is not a signal: SIGTERM, INT, 9, SIGRTMIN+3 and the like are")
        }),
        (variable.is_some(), &|| {
            let variable = variable.map_or("", String::as_str);
            format!("`{variable}` is not an environment variable: NAME=value is")
        }),
        (workdir.is_some(), &|| {
            let workdir = workdir.unwrap_or_default();
            format!("the working directory `{workdir}` is not an absolute path")
        }),
        (hostname.is_some(), &|| {
            let hostname = hostname.unwrap_or_default();
            format!("`{hostname}` is not a host name: one word of at most 64 bytes is")
        }),
        (spec.hostname.is_some() && spec.kernel.uts.is_some(), &|| {
            "a container with the node's host name (uts) has none of its own".to_owned()
        }),
    ])?;
    check_words(spec)?;
    match &spec.health {
        Some(HealthCheck::Enabled(probe)) => check_probe(probe),
        Some(HealthCheck::Disabled) | None => Ok(()),
    }
}

fn is_hostname(text: &str) -> bool {
    let is_word = |it: char| !it.is_whitespace() && !it.is_control() && it != '/';
    (1..=HOSTNAME_BYTES_MAX).contains(&text.len()) && text.chars().all(is_word)
}

/// Lists whose items go into files of the container, of which each line is cut at its blanks.
fn check_words(spec: &ContainerSpec) -> Checked {
    let is_word = |it: &str| !it.is_empty() && !it.contains(char::is_whitespace);
    let hosts: Vec<&String> = spec.extra_hosts.keys().collect();
    let lists: [(&str, Vec<&String>); 4] = [
        ("a group", spec.groups.iter().collect()),
        ("a domain to search", spec.dns.search.iter().collect()),
        ("an option of the resolver", spec.dns.options.iter().collect()),
        ("a host", hosts),
    ];
    for (what, items) in lists {
        if let Some(item) = items.iter().find(|it| !is_word(it)) {
            return Err(format!("`{item}` is not {what}: one word is"));
        }
    }
    let host = spec.extra_hosts.keys().find(|it| it.contains(':'));
    if let Some(host) = host {
        return Err(format!("`{host}` is not a host: there is a colon in it"));
    }
    let pairs = [("an annotation", &spec.annotations), ("a label", &spec.labels)];
    match pairs.iter().find(|(_, pairs)| pairs.contains_key("")) {
        Some((what, _)) => Err(format!("{what} has no name")),
        None => check_logging(spec),
    }
}

fn check_logging(spec: &ContainerSpec) -> Checked {
    let Some(logging) = &spec.logging else { return Ok(()) };
    refuse_if([
        (logging.driver.as_deref() == Some(""), &|| "the log driver has no name".to_owned()),
        (logging.options.contains_key(""), &|| "an option of the log has no name".to_owned()),
    ])
}

fn check_probe(probe: &Probe) -> Checked {
    let Probe { test, interval, timeout, retries: _, start_period, start_interval } = probe;
    let is_empty = match test {
        Some(ProbeCommand::Exec(words)) => words.is_empty(),
        Some(ProbeCommand::Shell(line)) => line.trim().is_empty(),
        None => false,
    };
    if is_empty {
        return Err("the health check has no command".to_owned());
    }
    let durations = [
        ("interval", interval),
        ("timeout", timeout),
        ("start period", start_period),
        ("start interval", start_interval),
    ];
    let is_short = |it: &Option<Duration>| it.is_some_and(|it| !it.is_zero() && it < PROBE_LEAST);
    match durations.iter().find(|(_, it)| is_short(it)) {
        Some((name, _)) => Err(format!("the health check's {name} is below 1ms, the minimum")),
        None => Ok(()),
    }
}

/// As Docker Engine takes them; with another one no container would ever start.
fn is_signal(given: &str) -> bool {
    const NAMES: [&str; 36] = [
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT",
        "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP",
        "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH",
        "XCPU", "XFSZ",
    ];
    const REAL_TIME: std::ops::RangeInclusive<u32> = 1..=15;
    if let Ok(number) = given.parse::<u32>() {
        return (1..=64).contains(&number);
    }
    let name = given.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = name.strip_prefix("RTMIN+").or_else(|| name.strip_prefix("RTMAX-"));
    let is_real_time =
        offset.and_then(|it| it.parse().ok()).is_some_and(|it| REAL_TIME.contains(&it));
    is_real_time || NAMES.contains(&name)
}
