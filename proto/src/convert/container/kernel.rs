//! What the kernel is asked to do differently for a container.

use crate::convert::{Malformed, enums, specified_if_any};
use crate::v1;
use crate::v1::kernel as wire;
use common::container::{
    CgroupNamespace, Device, DeviceChoice, DeviceRequest, IpcNamespace, Kernel, PidNamespace, Swap,
    Ulimit, UserNamespace, UtsNamespace,
};

enums! {
    "kernel.pid": wire::PidNamespace = PidNamespace { Host }
    "kernel.ipc": wire::IpcNamespace = IpcNamespace { Host None Private Shareable }
    "kernel.uts": wire::UtsNamespace = UtsNamespace { Host }
    "kernel.user_namespace": wire::UserNamespace = UserNamespace { Host }
    "kernel.cgroup": wire::CgroupNamespace = CgroupNamespace { Host Private }
}

impl TryFrom<v1::Kernel> for Kernel {
    type Error = Malformed;
    fn try_from(it: v1::Kernel) -> Result<Kernel, Malformed> {
        let device_requests = it.device_requests.into_iter().map(DeviceRequest::try_from);
        Ok(Kernel {
            privileged: it.privileged,
            capabilities_added: it.capabilities_added,
            capabilities_dropped: it.capabilities_dropped,
            security_options: it.security_options,
            devices: it.devices.into_iter().map(Device::from).collect(),
            device_requests: device_requests.collect::<Result<_, _>>()?,
            device_cgroup_rules: it.device_cgroup_rules,
            pid: specified_if_any::<wire::PidNamespace, _>(it.pid, "kernel.pid")?,
            ipc: specified_if_any::<wire::IpcNamespace, _>(it.ipc, "kernel.ipc")?,
            uts: specified_if_any::<wire::UtsNamespace, _>(it.uts, "kernel.uts")?,
            user_namespace: specified_if_any::<wire::UserNamespace, _>(
                it.user_namespace,
                "kernel.user_namespace",
            )?,
            cgroup: specified_if_any::<wire::CgroupNamespace, _>(it.cgroup, "kernel.cgroup")?,
            cgroup_parent: it.cgroup_parent,
            runtime: it.runtime,
            storage_options: it.storage_options,
            sysctls: it.sysctls,
            ulimits: it.ulimits.into_iter().map(|(name, it)| (name, it.into())).collect(),
            shm_bytes: it.shm_bytes,
            oom_kill_disable: it.oom_kill_disable,
            oom_score_adjustment: it.oom_score_adjustment,
            memory_swap: it.memory_swap.map(Swap::from),
            memory_swappiness: it.memory_swappiness,
            cpu_shares: it.cpu_shares,
            cpu_period_micros: it.cpu_period_micros,
            cpu_quota_micros: it.cpu_quota_micros,
            cpu_realtime_period_micros: it.cpu_realtime_period_micros,
            cpu_realtime_runtime_micros: it.cpu_realtime_runtime_micros,
            cpu_set: it.cpu_set,
        })
    }
}

impl From<&Kernel> for v1::Kernel {
    fn from(it: &Kernel) -> v1::Kernel {
        let ulimits = it.ulimits.iter().map(|(name, it)| (name.clone(), (*it).into()));
        v1::Kernel {
            privileged: it.privileged,
            capabilities_added: it.capabilities_added.clone(),
            capabilities_dropped: it.capabilities_dropped.clone(),
            security_options: it.security_options.clone(),
            devices: it.devices.iter().map(wire::Device::from).collect(),
            device_requests: it.device_requests.iter().map(wire::DeviceRequest::from).collect(),
            device_cgroup_rules: it.device_cgroup_rules.clone(),
            pid: it.pid.map(|it| wire::PidNamespace::from(it).into()),
            ipc: it.ipc.map(|it| wire::IpcNamespace::from(it).into()),
            uts: it.uts.map(|it| wire::UtsNamespace::from(it).into()),
            user_namespace: it.user_namespace.map(|it| wire::UserNamespace::from(it).into()),
            cgroup: it.cgroup.map(|it| wire::CgroupNamespace::from(it).into()),
            cgroup_parent: it.cgroup_parent.clone(),
            runtime: it.runtime.clone(),
            storage_options: it.storage_options.clone(),
            sysctls: it.sysctls.clone(),
            ulimits: ulimits.collect(),
            shm_bytes: it.shm_bytes,
            oom_kill_disable: it.oom_kill_disable,
            oom_score_adjustment: it.oom_score_adjustment,
            memory_swap: it.memory_swap.map(wire::Swap::from),
            memory_swappiness: it.memory_swappiness,
            cpu_shares: it.cpu_shares,
            cpu_period_micros: it.cpu_period_micros,
            cpu_quota_micros: it.cpu_quota_micros,
            cpu_realtime_period_micros: it.cpu_realtime_period_micros,
            cpu_realtime_runtime_micros: it.cpu_realtime_runtime_micros,
            cpu_set: it.cpu_set.clone(),
        }
    }
}

impl From<wire::Device> for Device {
    fn from(wire: wire::Device) -> Device {
        Device { source: wire.source, target: wire.target, permissions: wire.permissions }
    }
}

impl From<&Device> for wire::Device {
    fn from(device: &Device) -> wire::Device {
        let Device { source, target, permissions } = device.clone();
        wire::Device { source, target, permissions }
    }
}

impl TryFrom<wire::DeviceRequest> for DeviceRequest {
    type Error = Malformed;
    fn try_from(it: wire::DeviceRequest) -> Result<DeviceRequest, Malformed> {
        use wire::device_request::Choice;
        let choice =
            it.choice.ok_or_else(|| Malformed::missing("kernel.device_requests.choice"))?;
        Ok(DeviceRequest {
            capabilities: it.capabilities,
            driver: it.driver,
            choice: match choice {
                Choice::All(v1::Empty {}) => DeviceChoice::All,
                Choice::Count(count) => DeviceChoice::Count(count),
                Choice::Ids(v1::Words { words }) => DeviceChoice::Ids(words),
            },
            options: it.options,
        })
    }
}

impl From<&DeviceRequest> for wire::DeviceRequest {
    fn from(it: &DeviceRequest) -> wire::DeviceRequest {
        use wire::device_request::Choice;
        wire::DeviceRequest {
            capabilities: it.capabilities.clone(),
            driver: it.driver.clone(),
            choice: Some(match &it.choice {
                DeviceChoice::All => Choice::All(v1::Empty {}),
                DeviceChoice::Count(count) => Choice::Count(*count),
                DeviceChoice::Ids(ids) => Choice::Ids(v1::Words { words: ids.clone() }),
            }),
            options: it.options.clone(),
        }
    }
}

impl From<wire::Ulimit> for Ulimit {
    fn from(wire::Ulimit { soft, hard }: wire::Ulimit) -> Ulimit {
        Ulimit { soft, hard }
    }
}

impl From<Ulimit> for wire::Ulimit {
    fn from(Ulimit { soft, hard }: Ulimit) -> wire::Ulimit {
        wire::Ulimit { soft, hard }
    }
}

impl From<wire::Swap> for Swap {
    fn from(wire: wire::Swap) -> Swap {
        wire.bytes.map_or(Swap::Unlimited, Swap::Bytes)
    }
}

impl From<Swap> for wire::Swap {
    fn from(swap: Swap) -> wire::Swap {
        let bytes = match swap {
            Swap::Unlimited => None,
            Swap::Bytes(bytes) => Some(bytes),
        };
        wire::Swap { bytes }
    }
}
