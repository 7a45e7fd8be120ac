//! `service ls`.

use super::ports::in_a_row;
use super::{image_for_people, json_lines, table};
use crate::cli::args::choices::ModeWord;
use crate::cli::args::filter::{ServiceFilter, passes};
use crate::cli::args::format::Format;
use crate::cli::seen::SeenService;
use common::network::PortMode;
use common::service::Mode;
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
    if spec.mode.is_job() {
        let (completed, desired) = (service.completed, service.desired);
        write!(replicas, " ({completed}/{desired} completed)").expect("a string takes it");
    }
    if let (false, Some(most)) = (spec.mode.is_job(), spec.task.replicas_max_per_node) {
        write!(replicas, " (max {most} per node)").expect("a string takes every character");
    }
    [
        service.service.id.to_string(),
        spec.name.to_string(),
        // Docker takes `replicated-job`, and shows `replicated job`.
        mode_of(service).as_str().replace('-', " "),
        replicas,
        image_for_people(spec.task.container.image.as_given()),
        in_a_row(&spec.ports, PortMode::Ingress),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::{full_service, plain_service};
    use expect_test::expect_file;

    #[test]
    fn ls() {
        let mut job = full_service();
        job.service.spec.mode = Mode::ReplicatedJob { completions: 5, concurrent_max: 2 };
        let services = [plain_service(), full_service(), job];
        expect_file!["expected/service_ls.txt"].assert_eq(&list(&services, Format::Table));
        expect_file!["expected/service_ls.json"].assert_eq(&list(&services, Format::Json));
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
