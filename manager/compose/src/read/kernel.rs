//! What the kernel is asked to do differently for a service's containers.

use super::fields::Fields;
use crate::model::{
    CgroupNamespace, Device, IpcNamespace, Kernel, PidNamespace, Swap, Ulimit, UserNamespace,
    UtsNamespace,
};
use crate::problem::{Fault, quote};
use std::collections::BTreeMap;

pub(super) fn kernel(fields: &Fields<'_>) -> Kernel {
    Kernel {
        privileged: fields.flag("privileged").unwrap_or(false),
        capabilities_added: fields.texts("cap_add"),
        capabilities_dropped: fields.texts("cap_drop"),
        security_options: fields.texts("security_opt"),
        devices: fields.items("devices").iter().filter_map(device).collect(),
        // They stand among the reservations.
        device_requests: Vec::new(),
        device_cgroup_rules: fields.texts("device_cgroup_rules"),
        pid: own_or(fields, "pid", PidNamespace::WORDS),
        ipc: own_or(fields, "ipc", IpcNamespace::WORDS),
        uts: own_or(fields, "uts", UtsNamespace::WORDS),
        user_namespace: own_or(fields, "userns_mode", UserNamespace::WORDS),
        cgroup: own_or(fields, "cgroup", CgroupNamespace::WORDS),
        cgroup_parent: fields.word("cgroup_parent"),
        runtime: fields.word("runtime"),
        storage_options: fields.pairs("storage_opt"),
        sysctls: fields.pairs("sysctls"),
        ulimits: ulimits(fields),
        shm_bytes: fields.bytes("shm_size"),
        oom_kill_disable: fields.flag("oom_kill_disable").unwrap_or(false),
        oom_score_adjustment: in_range(fields, "oom_score_adj", -1000, 1000),
        memory_swap: swap(fields),
        memory_swappiness: in_range(fields, "mem_swappiness", 0, 100),
        cpu_shares: fields.number("cpu_shares"),
        cpu_period_micros: micros(fields, "cpu_period"),
        cpu_quota_micros: fields.node("cpu_quota").and_then(|it| match it.as_text() {
            Some("-1") => Some(-1),
            _ => micros(fields, "cpu_quota").and_then(|it| i64::try_from(it).ok()),
        }),
        cpu_realtime_period_micros: micros(fields, "cpu_rt_period"),
        cpu_realtime_runtime_micros: micros(fields, "cpu_rt_runtime"),
        cpu_set: fields.word("cpuset"),
    }
}

/// An empty value is the container's own.
fn own_or<T: Clone>(fields: &Fields<'_>, key: &'static str, known: &[(&str, T)]) -> Option<T> {
    let node = fields.node(key)?;
    let text = node.as_text().unwrap_or_default();
    if text.starts_with("service:") || text.starts_with("container:") {
        let refusal = format!("`{key}: {}` is refused", quote(text).trim_matches('`'));
        let hint = "two tasks may run on different nodes and cannot share it";
        fields.reader.error(Fault::new(node.at, refusal).hint(hint));
        return None;
    }
    fields.choice(key, known)
}

fn in_range<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    fields: &Fields<'_>,
    key: &'static str,
    least: T,
    most: T,
) -> Option<T> {
    let number: T = fields.number(key)?;
    if number < least || number > most {
        fields.wrong(fields.node(key)?, key, &format!("a number from {least} to {most}"));
        return None;
    }
    Some(number)
}

/// Microseconds as a bare number, or a duration.
fn micros(fields: &Fields<'_>, key: &'static str) -> Option<u64> {
    let text = fields.text(key)?;
    if let Ok(micros) = text.parse() {
        return Some(micros);
    }
    let duration = fields.duration(key)?;
    u64::try_from(duration.as_micros()).ok()
}

fn swap(fields: &Fields<'_>) -> Option<Swap> {
    match fields.node("memswap_limit")?.as_text() {
        Some("-1") => Some(Swap::Unlimited),
        Some(_) | None => fields.bytes("memswap_limit").map(Swap::Bytes),
    }
}

fn device(fields: &Fields<'_>) -> Option<Device> {
    let Some(source) = fields.word("source") else {
        fields.reader.error(Fault::new(fields.at(), "a device wants a `source`"));
        return None;
    };
    if !source.starts_with('/') {
        let fault = Fault::new(fields.at(), format!("{} is no path of a device", quote(&source)));
        fields.reader.error(fault.hint(match is_of_vendor(&source) {
            true => {
                "ask for what a vendor describes (CDI) under `deploy.resources.reservations.devices`: \
                 {driver: cdi, device_ids: [NAME], capabilities: [cdi]}"
            }
            false => "write its absolute path, for example /dev/ttyUSB0",
        }));
        return None;
    }
    Some(Device {
        target: fields.word("target").unwrap_or_else(|| source.clone()),
        source,
        permissions: fields.word("permissions").unwrap_or_else(|| "rwm".to_owned()),
    })
}

/// `vendor.com/class=name`
fn is_of_vendor(source: &str) -> bool {
    source.split_once('/').is_some_and(|(vendor, rest)| !vendor.is_empty() && rest.contains('='))
}

fn ulimits(fields: &Fields<'_>) -> BTreeMap<String, Ulimit> {
    fields.each("ulimits", |name, it| match (it.number("soft"), it.number("hard")) {
        (Some(soft), Some(hard)) => Some(Ulimit { soft, hard }),
        (Some(_) | None, _) => {
            if it.node("soft").is_none() || it.node("hard").is_none() {
                let text = format!("ulimit {} wants a `soft` and a `hard` limit", quote(name));
                it.reader.error(Fault::new(it.at(), text));
            }
            None
        }
    })
}
