//! A task's wish as the body of the request that makes its container.

use super::{CLUSTER_LABEL, NODE_LABEL, STACK_LABEL, TASK_LABEL, mount};
use crate::containers::Owner;
use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use common::assignment::Assignment;
use common::container::{
    CgroupNamespace, ContainerNetwork, ContainerSpec, Device, DeviceChoice,
    DeviceRequest as WishedDevices, HostAddress, Kernel, Logging, Swap, Ulimit,
};
use common::service::TaskSpec;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

pub(in crate::docker) fn container(owner: Owner, assignment: &Assignment) -> ContainerCreateBody {
    let spec = &assignment.spec.container;
    ContainerCreateBody {
        image: Some(spec.image.as_given().to_owned()),
        // Empty and absent are two things to the engine here: no entry point, and the image's own.
        entrypoint: spec.entrypoint.clone(),
        cmd: spec.args.clone(),
        env: said(&environment(&assignment.spec)),
        labels: Some(labels(owner, assignment)),
        hostname: spec.hostname.clone(),
        domainname: spec.domain_name.clone(),
        working_dir: spec.workdir.clone(),
        user: spec.user.clone(),
        tty: Some(spec.tty),
        open_stdin: Some(spec.stdin_open),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: Some(whole_seconds(spec.stop_grace)),
        host_config: Some(host_config(&assignment.spec)),
        ..ContainerCreateBody::default()
    }
}

/// With what is reserved for it, as Swarm tells it.
fn environment(task: &TaskSpec) -> Vec<String> {
    let reserved = task.generic.iter();
    let told = reserved.map(|(kind, n)| format!("DOCKER_RESOURCE_{}={n}", kind.to_uppercase()));
    task.container.env.iter().cloned().chain(told).collect()
}

fn said(texts: &[String]) -> Option<Vec<String>> {
    (!texts.is_empty()).then(|| texts.to_vec())
}

fn pairs(pairs: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!pairs.is_empty()).then(|| pairs.clone().into_iter().collect())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Rounded up: whoever asks for half a second does not mean none.
fn whole_seconds(duration: Duration) -> i64 {
    signed(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

fn host_config(task: &TaskSpec) -> HostConfig {
    let spec = &task.container;
    let wish = |amount: u64| (amount > 0).then(|| signed(amount));
    let dns = &spec.dns;
    let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    let mounts = mount::mounts(&spec.mounts);
    HostConfig {
        memory: wish(task.limits.memory_bytes),
        memory_reservation: wish(task.reservations.memory_bytes),
        nano_cpus: wish(task.limits.cpu_nanos),
        pids_limit: task.pids_max.map(signed),
        init: spec.init,
        readonly_rootfs: Some(spec.read_only),
        mounts: Some(mounts.mounts),
        binds: said(&mounts.binds),
        tmpfs: pairs(&mounts.tmpfs),
        network_mode: network(spec),
        dns: said(&servers),
        dns_search: said(&dns.search),
        dns_options: said(&dns.options),
        extra_hosts: said(&hosts(spec)),
        group_add: said(&spec.groups),
        log_config: spec.logging.as_ref().map(log_config),
        annotations: pairs(&spec.annotations),
        // Managers replace what ends; an engine that restarts it by itself makes a twin.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..kernel(&spec.kernel)
    }
}

fn network(spec: &ContainerSpec) -> Option<String> {
    match spec.network {
        ContainerNetwork::Engine => None,
        ContainerNetwork::Host | ContainerNetwork::None => Some(spec.network.as_str().to_owned()),
    }
}

fn hosts(spec: &ContainerSpec) -> Vec<String> {
    let pairs = spec.extra_hosts.iter().flat_map(|(host, addresses)| {
        addresses.iter().map(move |address| match address {
            HostAddress::Ip(ip) => format!("{host}:{ip}"),
            HostAddress::HostGateway => format!("{host}:host-gateway"),
        })
    });
    pairs.collect()
}

fn log_config(logging: &Logging) -> HostConfigLogConfig {
    HostConfigLogConfig { typ: logging.driver.clone(), config: pairs(&logging.options) }
}

fn kernel(kernel: &Kernel) -> HostConfig {
    let devices: Vec<DeviceMapping> = kernel.devices.iter().map(device).collect();
    let requests: Vec<DeviceRequest> = kernel.device_requests.iter().map(device_request).collect();
    let ulimits: Vec<ResourcesUlimits> = kernel.ulimits.iter().map(ulimit).collect();
    // The engine has no such option: its own command line says it by empty lists as well.
    let (unmasks, security): (Vec<String>, Vec<String>) =
        kernel.security_options.iter().cloned().partition(|it| it == SYSTEM_PATHS_UNCONFINED);
    let unmasked = (!unmasks.is_empty()).then(Vec::new);
    HostConfig {
        privileged: Some(kernel.privileged),
        cap_add: said(&kernel.capabilities_added),
        cap_drop: said(&kernel.capabilities_dropped),
        security_opt: said(&security),
        masked_paths: unmasked.clone(),
        readonly_paths: unmasked,
        devices: (!devices.is_empty()).then_some(devices),
        device_requests: (!requests.is_empty()).then_some(requests),
        device_cgroup_rules: said(&kernel.device_cgroup_rules),
        pid_mode: kernel.pid.map(|it| it.as_str().to_owned()),
        ipc_mode: kernel.ipc.map(|it| it.as_str().to_owned()),
        uts_mode: kernel.uts.map(|it| it.as_str().to_owned()),
        userns_mode: kernel.user_namespace.map(|it| it.as_str().to_owned()),
        cgroupns_mode: kernel.cgroup.map(|it| match it {
            CgroupNamespace::Host => HostConfigCgroupnsModeEnum::HOST,
            CgroupNamespace::Private => HostConfigCgroupnsModeEnum::PRIVATE,
        }),
        cgroup_parent: kernel.cgroup_parent.clone(),
        runtime: kernel.runtime.clone(),
        storage_opt: pairs(&kernel.storage_options),
        sysctls: pairs(&kernel.sysctls),
        ulimits: (!ulimits.is_empty()).then_some(ulimits),
        shm_size: kernel.shm_bytes.map(signed),
        oom_kill_disable: kernel.oom_kill_disable.then_some(true),
        oom_score_adj: kernel.oom_score_adjustment,
        memory_swap: kernel.memory_swap.map(|it| match it {
            Swap::Unlimited => -1,
            Swap::Bytes(bytes) => signed(bytes),
        }),
        memory_swappiness: kernel.memory_swappiness.map(signed),
        cpu_shares: kernel.cpu_shares.map(signed),
        cpu_period: kernel.cpu_period_micros.map(signed),
        cpu_quota: kernel.cpu_quota_micros,
        cpu_realtime_period: kernel.cpu_realtime_period_micros.map(signed),
        cpu_realtime_runtime: kernel.cpu_realtime_runtime_micros.map(signed),
        cpuset_cpus: kernel.cpu_set.clone(),
        ..HostConfig::default()
    }
}

const SYSTEM_PATHS_UNCONFINED: &str = "systempaths=unconfined";

fn device(device: &Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.source.clone()),
        path_in_container: Some(device.target.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

/// To the engine, -1 is all, and ids stand in place of a number.
fn device_request(request: &WishedDevices) -> DeviceRequest {
    let (count, ids) = match &request.choice {
        DeviceChoice::All => (Some(-1), None),
        DeviceChoice::Count(count) => (Some(signed(*count)), None),
        DeviceChoice::Ids(ids) => (None, Some(ids.clone())),
    };
    DeviceRequest {
        driver: request.driver.clone(),
        count,
        device_ids: ids,
        capabilities: Some(vec![request.capabilities.clone()]),
        options: pairs(&request.options),
    }
}

fn ulimit((name, limit): (&String, &Ulimit)) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.clone()), soft: Some(limit.soft), hard: Some(limit.hard) }
}

/// Ours, and Swarm's of the same meaning, so that people's dashboards and queries go on working.
pub(super) fn labels(owner: Owner, assignment: &Assignment) -> HashMap<String, String> {
    let mut labels: HashMap<_, _> = assignment.spec.container.labels.clone().into_iter().collect();
    let task_name = assignment.container_name();
    let said = [
        ("skep.service.name", "com.docker.swarm.service.name", assignment.service_name.clone()),
        ("skep.service.id", "com.docker.swarm.service.id", assignment.service.to_string()),
        (TASK_LABEL, "com.docker.swarm.task.id", assignment.task.to_string()),
        ("skep.task.name", "com.docker.swarm.task.name", task_name),
        (NODE_LABEL, "com.docker.swarm.node.id", owner.node.to_string()),
    ];
    for (ours, swarms, value) in said {
        labels.insert(ours.to_owned(), value.clone());
        labels.insert(swarms.to_owned(), value);
    }
    labels.insert("com.docker.swarm.task".to_owned(), String::new());
    labels.insert(CLUSTER_LABEL.to_owned(), owner.cluster.to_string());
    labels.insert("skep.task.slot".to_owned(), assignment.slot.to_string());
    if let Some(stack) = assignment.service_labels.get(STACK_LABEL) {
        labels.insert("skep.stack".to_owned(), stack.clone());
        labels.insert(STACK_LABEL.to_owned(), stack.clone());
    }
    labels
}
