//! What Docker says of the machine, itself and its images.

use crate::host;
use bollard::models::{ImageSummary, SystemInfo, SystemVersion};
use common::image::ImageRef;
use common::node::{Engine, Incapability, NodeDescription};
use common::platform::Platform;
use common::resources::{GenericResources, Resources};
use std::collections::BTreeSet;

const NANOS_PER_CPU: u64 = 1_000_000_000;

pub(super) fn description(info: &SystemInfo, version: &SystemVersion) -> NodeDescription {
    let number = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    let os = info.os_type.as_deref().unwrap_or(std::env::consts::OS);
    let machine = info.architecture.as_deref().unwrap_or(std::env::consts::ARCH);
    NodeDescription {
        platform: Platform::from_machine(os, machine),
        resources: Resources {
            cpu_nanos: number(info.ncpu).saturating_mul(NANOS_PER_CPU),
            memory_bytes: number(info.mem_total),
        },
        generic: generic(info),
        engine: Engine {
            version: version.version.clone().unwrap_or_default(),
            api_version: version.api_version.clone().unwrap_or_default(),
            labels: info.labels.iter().flatten().map(|it| label(it)).collect(),
            incapable_of: incapabilities(info),
        },
        ..host::description()
    }
}

/// Those that are counted. Of those that have names each, a task would have to be told which one is
/// its own, and nobody deals them out.
fn generic(info: &SystemInfo) -> GenericResources {
    let all = info.generic_resources.iter().flatten();
    let counted = all.filter_map(|it| {
        let it = it.discrete_resource_spec.as_ref()?;
        Some((it.kind.clone()?, u64::try_from(it.value?).ok()?))
    });
    counted.collect()
}

fn label(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

/// Only a plain no counts: an engine that does not say may well do it.
fn incapabilities(info: &SystemInfo) -> Vec<Incapability> {
    let said = [
        (info.memory_limit, Incapability::MemoryLimit),
        (info.cpu_cfs_quota, Incapability::CpuLimit),
        (info.pids_limit, Incapability::PidsLimit),
    ];
    said.into_iter().filter(|(able, _)| *able == Some(false)).map(|(_, what)| what).collect()
}

pub(super) fn references(images: &[ImageSummary]) -> BTreeSet<String> {
    let names = images.iter().flat_map(|it| it.repo_tags.iter().chain(&it.repo_digests));
    // What has lost its name is listed as `<none>:<none>`.
    let references = names.filter_map(|it| it.parse::<ImageRef>().ok());
    references.map(|it| it.full().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{GenericResourcesInner, GenericResourcesInnerDiscreteResourceSpec};

    #[test]
    fn a_pi_without_memory_limits() {
        let info = SystemInfo {
            os_type: Some("linux".to_owned()),
            architecture: Some("armv7l".to_owned()),
            ncpu: Some(4),
            mem_total: Some(1 << 30),
            labels: Some(vec!["zone=west".to_owned(), "ssd".to_owned()]),
            memory_limit: Some(false),
            generic_resources: Some(vec![
                GenericResourcesInner {
                    named_resource_spec: None,
                    discrete_resource_spec: Some(GenericResourcesInnerDiscreteResourceSpec {
                        kind: Some("gpu".to_owned()),
                        value: Some(2),
                    }),
                },
                GenericResourcesInner::default(),
            ]),
            cpu_cfs_quota: Some(true),
            ..SystemInfo::default()
        };
        let version = SystemVersion {
            version: Some("20.10.24".to_owned()),
            api_version: Some("1.41".to_owned()),
            ..SystemVersion::default()
        };
        let description = description(&info, &version);
        assert_eq!(description.platform.to_string(), "linux/arm/v7");
        assert_eq!(description.resources.cpu_nanos, 4 * NANOS_PER_CPU);
        assert_eq!(description.engine.labels.get("zone").map(String::as_str), Some("west"));
        assert_eq!(description.engine.labels.get("ssd").map(String::as_str), Some(""));
        assert_eq!(description.engine.incapable_of, [Incapability::MemoryLimit]);
        assert_eq!(description.engine.version, "20.10.24");
        assert_eq!(description.generic, [("gpu".to_owned(), 2)].into());
    }

    #[test]
    fn images_by_their_full_names() {
        let image = ImageSummary {
            repo_tags: vec!["redis:7".to_owned(), "<none>:<none>".to_owned()],
            repo_digests: vec!["redis@sha256:00ff".to_owned()],
            ..ImageSummary::default()
        };
        let expected = ["docker.io/library/redis:7", "docker.io/library/redis@sha256:00ff"];
        assert_eq!(references(&[image]).into_iter().collect::<Vec<_>>(), expected);
    }
}
