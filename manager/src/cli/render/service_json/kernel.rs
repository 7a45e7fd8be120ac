//! What the kernel is asked to do differently, with the key names that a container has for it.

use super::is_false;
use common::container::{
    CgroupNamespace, ContainerSpec, Device, DeviceChoice, DeviceRequest, IpcNamespace, Kernel,
    PidNamespace, Swap, Ulimit, UserNamespace, UtsNamespace,
};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UlimitJson<'a> {
    name: &'a str,
    hard: i64,
    soft: i64,
}

impl<'a> UlimitJson<'a> {
    pub(super) fn of((name, limit): (&'a String, &Ulimit)) -> UlimitJson<'a> {
        UlimitJson { name, hard: limit.hard, soft: limit.soft }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HostJson<'a> {
    #[serde(skip_serializing_if = "is_false")]
    privileged: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    security_opt: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<DeviceJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    device_requests: Vec<DeviceRequestJson<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    device_cgroup_rules: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pid_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipc_mode: Option<&'static str>,
    #[serde(rename = "UTSMode", skip_serializing_if = "Option::is_none")]
    uts_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    userns_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroupns_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_parent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage_opt: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shm_size: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    oom_kill_disable: bool,
    /// Of memory and swap together; -1: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_swap: Option<i128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_swappiness: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_shares: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_quota: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_realtime_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_realtime_runtime: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpuset_cpus: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceJson<'a> {
    path_on_host: &'a str,
    path_in_container: &'a str,
    cgroup_permissions: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceRequestJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'a str>,
    /// To Docker, -1 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i128>,
    #[serde(rename = "DeviceIDs", skip_serializing_if = "Option::is_none")]
    device_ids: Option<&'a [String]>,
    capabilities: [&'a [String]; 1],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: &'a BTreeMap<String, String>,
}

impl<'a> HostJson<'a> {
    /// None where all of it is as usual, apart from what Swarm has a place for elsewhere.
    pub(super) fn of(container: &'a ContainerSpec) -> Option<HostJson<'a>> {
        let kernel = &container.kernel;
        let usual = Kernel {
            capabilities_added: kernel.capabilities_added.clone(),
            capabilities_dropped: kernel.capabilities_dropped.clone(),
            sysctls: kernel.sysctls.clone(),
            ulimits: kernel.ulimits.clone(),
            oom_score_adjustment: kernel.oom_score_adjustment,
            ..Kernel::default()
        };
        let is_said = *kernel != usual || !container.annotations.is_empty();
        is_said.then(|| HostJson {
            privileged: kernel.privileged,
            security_opt: &kernel.security_options,
            devices: kernel.devices.iter().map(DeviceJson::of).collect(),
            device_requests: kernel.device_requests.iter().map(DeviceRequestJson::of).collect(),
            device_cgroup_rules: &kernel.device_cgroup_rules,
            pid_mode: kernel.pid.map(PidNamespace::as_str),
            ipc_mode: kernel.ipc.map(IpcNamespace::as_str),
            uts_mode: kernel.uts.map(UtsNamespace::as_str),
            userns_mode: kernel.user_namespace.map(UserNamespace::as_str),
            cgroupns_mode: kernel.cgroup.map(CgroupNamespace::as_str),
            cgroup_parent: kernel.cgroup_parent.as_deref(),
            runtime: kernel.runtime.as_deref(),
            storage_opt: &kernel.storage_options,
            shm_size: kernel.shm_bytes,
            oom_kill_disable: kernel.oom_kill_disable,
            memory_swap: kernel.memory_swap.map(|it| match it {
                Swap::Unlimited => -1,
                Swap::Bytes(bytes) => i128::from(bytes),
            }),
            memory_swappiness: kernel.memory_swappiness,
            cpu_shares: kernel.cpu_shares,
            cpu_period: kernel.cpu_period_micros,
            cpu_quota: kernel.cpu_quota_micros,
            cpu_realtime_period: kernel.cpu_realtime_period_micros,
            cpu_realtime_runtime: kernel.cpu_realtime_runtime_micros,
            cpuset_cpus: kernel.cpu_set.as_deref(),
            annotations: &container.annotations,
        })
    }
}

impl<'a> DeviceJson<'a> {
    fn of(device: &'a Device) -> DeviceJson<'a> {
        DeviceJson {
            path_on_host: &device.source,
            path_in_container: &device.target,
            cgroup_permissions: &device.permissions,
        }
    }
}

impl<'a> DeviceRequestJson<'a> {
    fn of(request: &'a DeviceRequest) -> DeviceRequestJson<'a> {
        let (count, device_ids) = match &request.choice {
            DeviceChoice::All => (Some(-1), None),
            DeviceChoice::Count(count) => (Some(i128::from(*count)), None),
            DeviceChoice::Ids(ids) => (None, Some(ids.as_slice())),
        };
        DeviceRequestJson {
            driver: request.driver.as_deref(),
            count,
            device_ids,
            capabilities: [&request.capabilities],
            options: &request.options,
        }
    }
}
