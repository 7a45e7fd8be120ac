//! `service ls`, and `service inspect` for people.

use super::{image_for_people, json_lines, table};
use crate::cli::args::choices::ModeWord;
use crate::cli::args::filter::{ServiceFilter, passes};
use crate::cli::args::format::Format;
use crate::cli::seen::SeenService;
use common::container::{Access, ContainerSpec, Mount, MountSource};
use common::resources::{Resources, display_cpus};
use common::service::{Mode, TaskSpec};
use common::units::display_bytes;
use serde_json::json;
use std::fmt::Write;

pub(in crate::cli) fn mode_of(service: &SeenService) -> ModeWord {
    match service.service.spec.mode {
        Mode::Replicated { .. } => ModeWord::Replicated,
        Mode::Global => ModeWord::Global,
        Mode::ReplicatedJob { .. } => ModeWord::ReplicatedJob,
        Mode::GlobalJob => ModeWord::GlobalJob,
    }
}

pub(in crate::cli) fn matches(service: &SeenService, filters: &[ServiceFilter]) -> bool {
    let spec = &service.service.spec;
    passes(filters, |filter| match filter {
        ServiceFilter::Id(id) => service.service.id.to_string().starts_with(id),
        ServiceFilter::Name(name) => spec.name.as_str().starts_with(name),
        ServiceFilter::Label(label) => label.matches(&spec.labels),
        ServiceFilter::Mode(mode) => mode_of(service) == *mode,
    })
}

pub(in crate::cli) fn list(services: &[SeenService], format: Format) -> String {
    match format {
        Format::Table => {
            let rows: Vec<[String; 6]> = services.iter().map(row).collect();
            table(["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"], &rows)
        }
        Format::Json => json_lines(services.iter().map(|service| {
            let [id, name, mode, replicas, image, ports] = row(service);
            json!({
                "ID": id, "Name": name, "Mode": mode, "Replicas": replicas, "Image": image,
                "Ports": ports,
            })
        })),
    }
}

fn row(service: &SeenService) -> [String; 6] {
    let spec = &service.service.spec;
    let mut replicas = format!("{}/{}", service.running, service.desired);
    if let Some(most) = spec.task.replicas_max_per_node {
        write!(replicas, " (max {most} per node)").expect("a string takes every character");
    }
    [
        service.service.id.to_string(),
        spec.name.to_string(),
        mode_of(service).as_str().to_owned(),
        replicas,
        image_for_people(spec.task.container.image.as_given()),
        String::new(),
    ]
}

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
    placement(&mut page, &spec.task);
    container(&mut page, &spec.task.container);
    mounts(&mut page, &spec.task.container.mounts);
    resources(&mut page, &spec.task);
    page.0
}

fn placement(page: &mut Page, task: &TaskSpec) {
    if task.constraints.is_empty() && task.replicas_max_per_node.is_none() {
        return;
    }
    page.heading("Placement");
    if !task.constraints.is_empty() {
        let constraints: Vec<String> = task.constraints.iter().map(ToString::to_string).collect();
        page.line(" Constraints", format!("[{}]", constraints.join(" ")));
    }
    page.optional(" Max Replicas Per Node", task.replicas_max_per_node);
}

fn container(page: &mut Page, container: &ContainerSpec) {
    page.heading("ContainerSpec");
    page.line(" Image", image_for_people(container.image.as_given()));
    page.words(" Command", container.entrypoint.as_deref().unwrap_or_default());
    page.words(" Args", container.args.as_deref().unwrap_or_default());
    page.words(" Env", &container.env);
    page.optional(" Dir", container.workdir.as_ref());
    page.optional(" User", container.user.as_ref());
    page.optional(" Hostname", container.hostname.as_ref());
    page.optional(" Stop Signal", container.stop_signal.as_ref());
    page.optional(" Init", container.init);
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
    let parts = [("Reservations", task.reservations), ("Limits", task.limits)];
    let asked = parts.into_iter().filter(|(_, it)| *it != Resources::NONE);
    for (index, (name, wish)) in asked.enumerate() {
        if index == 0 {
            page.heading("Resources");
        }
        page.heading(&format!(" {name}"));
        page.optional("  CPU", Some(wish.cpu_nanos).filter(|it| *it > 0).map(display_cpus));
        page.optional("  Memory", Some(wish.memory_bytes).filter(|it| *it > 0).map(display_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::{full_service, plain_service};
    use expect_test::{expect, expect_file};

    #[test]
    fn ls() {
        let services = [plain_service(), full_service()];
        expect![[r#"
            ID              NAME      MODE         REPLICAS               IMAGE              PORTS
            0000000000001   monitor   global       1/3                    redis:latest
            0000000000002   web       replicated   1/3 (max 2 per node)   ghcr.io/me/web:1
        "#]]
        .assert_eq(&list(&services, Format::Table));
        expect_file!["expected/service_ls.json"].assert_eq(&list(&services, Format::Json));
    }

    #[test]
    fn inspect_for_people() {
        expect![[r#"
            ID:	0000000000001
            Name:	monitor
            Service Mode:	Global
            Running:	1 of 3
            ContainerSpec:
             Image:	redis:latest
        "#]]
        .assert_eq(&pretty(&plain_service()));
        expect_file!["expected/service_inspect_pretty.txt"].assert_eq(&pretty(&full_service()));
    }

    #[test]
    fn filters() {
        for (text, expected) in [
            ("name=we", true),
            ("name=eb", false),
            ("mode=global", false),
            ("label=zone", true),
            ("label=zone=east", false),
        ] {
            let filters = [text.parse().expect("a filter")];
            assert_eq!(matches(&full_service(), &filters), expected, "{text}");
        }
    }
}
