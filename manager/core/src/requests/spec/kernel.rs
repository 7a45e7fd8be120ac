//! What the kernel may be asked to do differently for a container.

use super::{Checked, refuse_if};
use common::container::{
    ContainerNetwork, Device, DeviceChoice, DeviceRequest, IpcNamespace, Kernel, Swap, Ulimit,
};
use common::service::TaskSpec;
use common::units::display_bytes;

pub(super) fn check(task: &TaskSpec) -> Checked {
    let kernel = &task.container.kernel;
    let capabilities = kernel.capabilities_added.iter().chain(&kernel.capabilities_dropped);
    find_wrong(
        capabilities,
        |it| !is_capability(it),
        |it| format!("there is no capability `{it}`: NET_ADMIN, CAP_CHOWN, ALL and the like"),
    )?;
    find_wrong(
        &kernel.security_options,
        |it| !is_security_option(it),
        |it| {
            format!(
                "`{it}` is not a security option: no-new-privileges, seccomp=unconfined, \
             seccomp={{…}} (the profile itself), apparmor=PROFILE, label=… and \
             systempaths=unconfined are"
            )
        },
    )?;
    find_wrong(
        &kernel.devices,
        |it| !is_device(it),
        |Device { source, target, permissions }| {
            format!(
                "`{source}:{target}:{permissions}` is not a device: two absolute paths and some of \
             `rwm` are"
            )
        },
    )?;
    find_wrong(
        &kernel.device_cgroup_rules,
        |it| !is_device_rule(it),
        |it| format!("`{it}` is not a device rule such as `c 188:* rwm`"),
    )?;
    find_wrong(
        &kernel.ulimits,
        |(name, _)| !ULIMITS.contains(&name.as_str()),
        |(name, _)| format!("there is no ulimit `{name}`: there are {}", ULIMITS.join(", ")),
    )?;
    find_wrong(
        &kernel.ulimits,
        |(_, it)| !is_ulimit(**it),
        |(name, it)| {
            format!("ulimit {name}: {} to begin with is not within {} at most", it.soft, it.hard)
        },
    )?;
    check_sysctls(task)?;
    check_memory(task)?;
    check_processors(task)
}

fn find_wrong<T: Copy>(
    items: impl IntoIterator<Item = T>,
    is_wrong: impl Fn(&T) -> bool,
    reason: impl Fn(T) -> String,
) -> Checked {
    items.into_iter().find(is_wrong).map_or(Ok(()), |it| Err(reason(it)))
}

const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

fn is_capability(text: &str) -> bool {
    let name = text.to_ascii_uppercase();
    name == "ALL" || CAPABILITIES.contains(&name.strip_prefix("CAP_").unwrap_or(&name))
}

/// The engine is on another machine than the person: a profile is its text, not its file's name.
fn is_security_option(text: &str) -> bool {
    let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
    match name {
        "no-new-privileges" => matches!(value, "" | "true" | "false"),
        "seccomp" => {
            matches!(value, "unconfined" | "builtin") || value.trim_start().starts_with('{')
        }
        "apparmor" | "label" => !value.is_empty(),
        "systempaths" => text == "systempaths=unconfined",
        _ => false,
    }
}

fn is_device(device: &&Device) -> bool {
    let Device { source, target, permissions } = device;
    source.starts_with('/') && target.starts_with('/') && is_access(permissions)
}

fn is_access(text: &str) -> bool {
    let is_once = |it: char| text.matches(it).count() == 1;
    !text.is_empty() && text.chars().all(|it| "rwm".contains(it) && is_once(it))
}

fn is_device_rule(text: &str) -> bool {
    let is_number =
        |it: &str| it == "*" || !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    match text.split(' ').collect::<Vec<_>>()[..] {
        [kind, numbers, access] => {
            let numbers = numbers.split_once(':');
            matches!(kind, "a" | "b" | "c")
                && numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor))
                && is_access(access)
        }
        _ => false,
    }
}

const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn is_ulimit(Ulimit { soft, hard }: Ulimit) -> bool {
    match (soft, hard) {
        (-1, -1) => true,
        (-1, _) => false,
        (soft, -1) => soft >= 0,
        (soft, hard) => (0..=hard).contains(&soft),
    }
}

/// The settings that a container has for itself; the others are the node's.
fn is_sysctl(name: &str) -> bool {
    const OF_MESSAGES: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    let is_inner = |it: u8| it.is_ascii_alphanumeric() || b"_-./".contains(&it);
    let is_path = |it: &str| !it.is_empty() && it.bytes().all(is_inner);
    OF_MESSAGES.contains(&name)
        || name == "kernel.domainname"
        || ["net.", "fs.mqueue."].iter().any(|it| name.strip_prefix(it).is_some_and(is_path))
}

fn check_sysctls(task: &TaskSpec) -> Checked {
    let (container, kernel) = (&task.container, &task.container.kernel);
    let names = || kernel.sysctls.keys();
    find_wrong(
        names(),
        |it| !is_sysctl(it),
        |it| {
            format!(
                "sysctl `{it}` cannot be set for one container: net.…, fs.mqueue.… and those of \
             messages and shared memory (kernel.msg…, kernel.sem, kernel.shm…) can"
            )
        },
    )?;
    let has_own_network = match container.network {
        ContainerNetwork::Engine | ContainerNetwork::None => true,
        ContainerNetwork::Host => false,
    };
    find_wrong(
        names(),
        |it| !has_own_network && it.starts_with("net."),
        |it| format!("sysctl `{it}` cannot be set for a container with the node's own network"),
    )?;
    let is_of_host = kernel.ipc == Some(IpcNamespace::Host);
    let is_of_ipc = |it: &str| {
        it.starts_with("fs.mqueue.") || it.starts_with("kernel.") && !it.ends_with("name")
    };
    find_wrong(
        names(),
        |it| is_of_host && is_of_ipc(it),
        |it| {
            format!("sysctl `{it}` cannot be set for a container with the node's own shared memory")
        },
    )
}

fn check_memory(task: &TaskSpec) -> Checked {
    let Kernel { memory_swap, memory_swappiness, oom_score_adjustment, .. } =
        &task.container.kernel;
    let memory = task.limits.memory_bytes;
    let swap = match memory_swap {
        Some(Swap::Bytes(bytes)) => *bytes,
        Some(Swap::Unlimited) | None => 0,
    };
    let adjustment = oom_score_adjustment.unwrap_or_default();
    refuse_if([
        (swap > 0 && memory == 0, &|| {
            "a limit of memory and swap wants a memory limit beside it".to_owned()
        }),
        (swap > 0 && swap < memory, &|| {
            let [swap, memory] = [swap, memory].map(|it| display_bytes(it).to_string());
            format!("memory and swap together ({swap}) are less than memory alone ({memory})")
        }),
        (memory_swappiness.is_some_and(|it| it > 100), &|| {
            "a swappiness goes from 0 to 100".to_owned()
        }),
        (!(-1000..=1000).contains(&adjustment), &|| {
            format!("{adjustment} is not an OOM adjustment: it goes from -1000 to 1000")
        }),
    ])
}

fn check_processors(task: &TaskSpec) -> Checked {
    let kernel = &task.container.kernel;
    let period = kernel.cpu_period_micros.filter(|it| *it != 0);
    let quota = kernel.cpu_quota_micros.filter(|it| *it != 0);
    let [real_period, real_runtime] =
        [kernel.cpu_realtime_period_micros, kernel.cpu_realtime_runtime_micros]
            .map(Option::unwrap_or_default);
    let set = kernel.cpu_set.as_deref();
    let is_limited = period.is_some() || quota.is_some_and(|it| it > 0);
    refuse_if([
        (task.limits.cpu_nanos != 0 && is_limited, &|| {
            "a CPU limit and a CPU quota or period say the same twice: leave one out".to_owned()
        }),
        (period.is_some_and(|it| !(1_000..=1_000_000).contains(&it)), &|| {
            "a CPU period goes from 1ms to 1s".to_owned()
        }),
        (quota.is_some_and(|it| it < 1_000 && it != -1), &|| {
            "a CPU quota is at least 1ms, or -1 for no limit".to_owned()
        }),
        (real_period != 0 && real_runtime > real_period, &|| {
            "the real-time runtime is longer than the real-time period".to_owned()
        }),
        (kernel.device_requests.iter().any(is_empty_request), &|| {
            "a request for devices asks for none of them: leave it out".to_owned()
        }),
        (set.is_some_and(|it| !is_cpu_set(it)), &|| {
            format!("`{}` is not a set of CPUs such as 0-2,4", set.unwrap_or_default())
        }),
    ])
}

fn is_empty_request(request: &DeviceRequest) -> bool {
    match &request.choice {
        DeviceChoice::All => false,
        DeviceChoice::Count(count) => *count == 0,
        DeviceChoice::Ids(ids) => ids.is_empty(),
    }
}

fn is_cpu_set(text: &str) -> bool {
    let number = |it: &str| it.parse::<u16>().ok();
    text.split(',').all(|part| match part.split_once('-') {
        Some((first, last)) => {
            number(first).zip(number(last)).is_some_and(|(first, last)| first <= last)
        }
        None => number(part).is_some(),
    })
}
