//! `service inspect` for people: what was said, in the order of Docker's page.

use super::image_for_people;
use crate::cli::seen::SeenService;
use common::calendar::rfc3339;
use common::container::{
    Access, ContainerNetwork, ContainerSpec, HealthCheck, HostAddress, IpcNamespace, Kernel, Mount,
    MountSource, PidNamespace, ProbeCommand, PullPolicy, Ulimit,
};
use common::file::{FileKind, Grant};
use common::network::Endpoint;
use common::resources::{Resources, display_cpus};
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::units::{display_bytes, display_duration};
use common::update::{FailureAction, UpdateOrder, UpdatePolicy};
use std::collections::BTreeMap;
use std::fmt::Write;

/// `NAME:\tvalue` lines as Docker's, each under the heading it belongs to.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "{name}:\t{value}").expect("a string takes every character");
    }

    fn heading(&mut self, name: &str) {
        writeln!(self.0, "{name}:").expect("a string takes every character");
    }

    fn optional(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.line(name, value);
        }
    }

    fn pairs(&mut self, name: &str, pairs: &BTreeMap<String, String>) {
        let pairs: Vec<String> = pairs.iter().map(|(name, it)| format!("{name}={it}")).collect();
        self.words(name, &pairs);
    }

    fn words(&mut self, name: &str, words: &[String]) {
        if !words.is_empty() {
            self.line(name, words.join(" "));
        }
    }
}

pub(in crate::cli) fn pretty(service: &SeenService) -> String {
    let mut page = Page::default();
    let spec = &service.service.spec;
    page.line("ID", service.service.id);
    page.line("Name", &spec.name);
    if !spec.labels.is_empty() {
        page.heading("Labels");
        for (name, value) in &spec.labels {
            writeln!(page.0, " {name}={value}").expect("a string takes every character");
        }
    }
    match spec.mode {
        Mode::Replicated { replicas } => {
            page.line("Service Mode", "Replicated");
            page.line(" Replicas", replicas);
        }
        Mode::Global => page.line("Service Mode", "Global"),
        Mode::ReplicatedJob { completions, concurrent_max } => {
            page.line("Service Mode", "Replicated Job");
            page.line(" Completions", completions);
            page.optional(" Max Concurrent", (concurrent_max > 0).then_some(concurrent_max));
        }
        Mode::GlobalJob => page.line("Service Mode", "Global Job"),
    }
    page.line("Running", format!("{} of {}", service.running, service.desired));
    update_status(&mut page, service);
    page.optional("At Most One", spec.task.at_most_one.then_some(true));
    placement(&mut page, &spec.task);
    if !spec.mode.is_job() {
        policy(&mut page, "Update", &spec.update);
        policy(&mut page, "Rollback", &spec.rollback);
    }
    let container = &spec.task.container;
    running(&mut page, container);
    networks(&mut page, &spec.task);
    ports(&mut page, spec);
    surroundings(&mut page, container);
    mounts(&mut page, &container.mounts);
    grants(&mut page, &container.grants);
    kernel(&mut page, &container.kernel);
    if let Some(logging) = &container.logging {
        page.heading("Log Driver");
        page.optional(" Name", logging.driver.as_ref());
        page.pairs(" LogOpts", &logging.options);
    }
    if let Some(check) = &container.health {
        page.heading("Healthcheck");
        health(&mut page, check);
    }
    resources(&mut page, &spec.task);
    page.0
}

fn update_status(page: &mut Page, service: &SeenService) {
    let Some(update) = &service.service.update else { return };
    page.heading("UpdateStatus");
    page.line(" State", update.state.as_str());
    page.line(" Started", rfc3339(update.started.wall));
    if !update.state.is_under_way() {
        page.line(" Completed", rfc3339(update.since.wall));
    }
    page.optional(" Message", service.trouble());
}

fn grants(page: &mut Page, grants: &[Grant]) {
    for (kind, heading) in [(FileKind::Secret, "Secrets"), (FileKind::Config, "Configs")] {
        for (index, grant) in grants.iter().filter(|it| it.kind == kind).enumerate() {
            if index == 0 {
                page.heading(heading);
            }
            page.line(" Target", grant.path());
            page.line("  Source", &grant.name);
        }
    }
}

fn placement(page: &mut Page, task: &TaskSpec) {
    let is_anywhere = task.constraints.is_empty() && task.spread.is_empty();
    if is_anywhere && task.replicas_max_per_node.is_none() {
        return;
    }
    page.heading("Placement");
    if !task.constraints.is_empty() {
        let constraints: Vec<String> = task.constraints.iter().map(ToString::to_string).collect();
        page.line(" Constraints", format!("[{}]", constraints.join(" ")));
    }
    if !task.spread.is_empty() {
        let preferences: Vec<String> =
            task.spread.iter().map(|it| format!("spread={it}")).collect();
        page.line(" Preferences", format!("[{}]", preferences.join(" ")));
    }
    page.optional(" Max Replicas Per Node", task.replicas_max_per_node);
}

fn policy(page: &mut Page, name: &str, policy: &UpdatePolicy) {
    page.heading(&format!("{name}Config"));
    page.line(" Parallelism", policy.parallelism);
    if !policy.delay.is_zero() {
        page.line(" Delay", display_duration(policy.delay));
    }
    page.line(
        " On failure",
        match policy.on_failure {
            FailureAction::Pause => "pause",
            FailureAction::Continue => "continue",
            FailureAction::Rollback => "rollback",
        },
    );
    page.line(" Monitoring Period", display_duration(policy.monitor));
    page.line(" Max failure ratio", policy.failure_ratio_max.share());
    page.line(
        &format!(" {name} order"),
        match policy.order {
            UpdateOrder::StopFirst => "stop-first",
            UpdateOrder::StartFirst => "start-first",
        },
    );
}

fn running(page: &mut Page, container: &ContainerSpec) {
    page.heading("ContainerSpec");
    page.line(" Image", image_for_people(container.image.as_given()));
    page.optional(" Platform", container.platform.as_ref());
    if container.pull_policy != PullPolicy::default() {
        page.line(" Pull Policy", container.pull_policy.as_str());
    }
    for (name, words) in [(" Command", &container.entrypoint), (" Args", &container.args)] {
        // None at all is another thing than the image's own.
        let said =
            words.as_ref().map(|it| if it.is_empty() { "(none)".to_owned() } else { it.join(" ") });
        page.optional(name, said);
    }
    page.words(" Env", &container.env);
    page.optional(" Dir", container.workdir.as_ref());
    page.optional(" User", container.user.as_ref());
    page.words(" Groups", &container.groups);
    page.optional(" Hostname", container.hostname.as_ref());
    page.optional(" Domainname", container.domain_name.as_ref());
    page.optional(" Stop Signal", container.stop_signal.as_ref());
    page.optional(" Init", container.init);
    for (name, is_said) in [
        (" TTY", container.tty),
        (" Open Stdin", container.stdin_open),
        (" Read Only", container.read_only),
    ] {
        page.optional(name, is_said.then_some(true));
    }
}

fn networks(page: &mut Page, task: &TaskSpec) {
    match task.container.network {
        ContainerNetwork::Engine => {
            let names: Vec<String> = task.networks.keys().cloned().collect();
            page.words("Networks", &names);
        }
        it @ (ContainerNetwork::Host | ContainerNetwork::None) => {
            page.line("Networks", it.as_str());
        }
    }
}

fn ports(page: &mut Page, spec: &ServiceSpec) {
    if spec.endpoint != Endpoint::default() || !spec.ports.is_empty() {
        page.line("Endpoint Mode", spec.endpoint.as_str());
    }
    for (index, port) in spec.ports.iter().enumerate() {
        if index == 0 {
            page.heading("Ports");
        }
        page.line(" Target Port", port.target);
        page.optional("  Published Port", port.published);
        page.optional("  Host IP", port.host_ip);
        page.line("  Protocol", port.protocol.as_str());
        page.line("  Publish Mode", port.mode.as_str());
    }
}

/// How a container finds addresses.
fn surroundings(page: &mut Page, container: &ContainerSpec) {
    let dns = &container.dns;
    if !(dns.servers.is_empty() && dns.search.is_empty() && dns.options.is_empty()) {
        page.heading("DNSConfig");
        let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
        page.words(" Nameservers", &servers);
        page.words(" Search", &dns.search);
        page.words(" Options", &dns.options);
    }
    for (index, (host, addresses)) in container.extra_hosts.iter().enumerate() {
        if index == 0 {
            page.heading("Hosts");
        }
        for address in addresses {
            match address {
                HostAddress::Ip(ip) => page.line(&format!(" {host}"), ip),
                HostAddress::HostGateway => page.line(&format!(" {host}"), "host-gateway"),
            }
        }
    }
}

fn kernel(page: &mut Page, kernel: &Kernel) {
    if !(kernel.capabilities_added.is_empty() && kernel.capabilities_dropped.is_empty()) {
        page.heading("Capabilities");
        page.words(" Add", &kernel.capabilities_added);
        page.words(" Drop", &kernel.capabilities_dropped);
    }
    page.pairs("Sysctls", &kernel.sysctls);
    for (index, (name, Ulimit { soft, hard })) in kernel.ulimits.iter().enumerate() {
        if index == 0 {
            page.heading("Ulimits");
        }
        page.line(&format!(" {name}"), format!("{soft}:{hard}"));
    }
    page.optional("Privileged", kernel.privileged.then_some(true));
    page.words("Security Options", &kernel.security_options);
    let devices: Vec<String> = kernel
        .devices
        .iter()
        .map(|it| format!("{}:{}:{}", it.source, it.target, it.permissions))
        .collect();
    page.words("Devices", &devices);
    page.optional("PID Namespace", kernel.pid.map(PidNamespace::as_str));
    page.optional("IPC Namespace", kernel.ipc.map(IpcNamespace::as_str));
    page.optional("Shared Memory", kernel.shm_bytes.map(display_bytes));
    page.optional("OOM Score Adjustment", kernel.oom_score_adjustment);
}

fn health(page: &mut Page, health: &HealthCheck) {
    let probe = match health {
        HealthCheck::Disabled => return page.line(" Test", "(none)"),
        HealthCheck::Enabled(probe) => probe,
    };
    let test = probe.test.as_ref().map(|test| match test {
        ProbeCommand::Exec(words) => words.join(" "),
        ProbeCommand::Shell(line) => line.clone(),
    });
    page.optional(" Test", test);
    page.optional(" Interval", probe.interval.map(display_duration));
    page.optional(" Timeout", probe.timeout.map(display_duration));
    page.optional(" Start Period", probe.start_period.map(display_duration));
    page.optional(" Start Interval", probe.start_interval.map(display_duration));
    page.optional(" Retries", probe.retries);
}

fn mounts(page: &mut Page, mounts: &[Mount]) {
    if mounts.is_empty() {
        return;
    }
    page.heading("Mounts");
    for mount in mounts {
        let (kind, source) = match &mount.source {
            MountSource::Bind(bind) => ("bind", Some(&bind.path)),
            MountSource::Volume(volume) => ("volume", volume.name.as_ref()),
            MountSource::Tmpfs(_) => ("tmpfs", None),
        };
        page.line(" Target", &mount.target);
        page.optional("  Source", source);
        page.line("  ReadOnly", mount.access == Access::ReadOnly);
        page.line("  Type", kind);
    }
}

fn resources(page: &mut Page, task: &TaskSpec) {
    let parts = [("Reservations", task.reservations, None), ("Limits", task.limits, task.pids_max)];
    let is_asked = |(_, wish, pids): &(&str, Resources, Option<u64>)| {
        *wish != Resources::NONE || pids.is_some()
    };
    for (index, (name, wish, pids)) in parts.into_iter().filter(is_asked).enumerate() {
        if index == 0 {
            page.heading("Resources");
        }
        page.heading(&format!(" {name}"));
        page.optional("  CPU", Some(wish.cpu_nanos).filter(|it| *it > 0).map(display_cpus));
        page.optional("  Memory", Some(wish.memory_bytes).filter(|it| *it > 0).map(display_bytes));
        page.optional("  PIDs", pids);
    }
    if !task.generic.is_empty() {
        page.heading("Generic Resources");
        for (kind, amount) in &task.generic {
            page.line(&format!(" {kind}"), amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::{full_service, odd_service, plain_service};
    use expect_test::{expect, expect_file};

    #[test]
    fn inspect_for_people() {
        expect![[r#"
            ID:	0000000000001
            Name:	monitor
            Service Mode:	Global
            Running:	1 of 3
            UpdateConfig:
             Parallelism:	1
             On failure:	pause
             Monitoring Period:	5s
             Max failure ratio:	0
             Update order:	stop-first
            RollbackConfig:
             Parallelism:	1
             On failure:	pause
             Monitoring Period:	5s
             Max failure ratio:	0
             Rollback order:	stop-first
            ContainerSpec:
             Image:	redis:latest
        "#]]
        .assert_eq(&pretty(&plain_service()));
        expect_file!["expected/service_inspect_pretty_odd.txt"].assert_eq(&pretty(&odd_service()));
        expect_file!["expected/service_inspect_pretty.txt"].assert_eq(&pretty(&full_service()));
    }
}
