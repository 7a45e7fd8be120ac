//! What the machine says of itself, without its engine.

use agent_core::worker::BootMark;
use common::node::{Engine, NodeDescription};
use common::platform::Platform;
use common::resources::{GenericResources, Resources};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::Path;

const MARK: &str = "agent-ran";

/// As much as is known where no engine answers.
pub(crate) fn description() -> NodeDescription {
    NodeDescription {
        hostname: hostname(),
        addresses: addresses(),
        platform: Platform::from_machine(std::env::consts::OS, std::env::consts::ARCH),
        resources: Resources::NONE,
        generic: GenericResources::new(),
        engine: Engine::default(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

pub(crate) fn hostname() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|it| it.into_string().ok());
    name.filter(|it| !it.is_empty()).unwrap_or_else(|| "node".to_owned())
}

/// Those by which other machines may reach this one.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let of_engine =
        |name: &str| ["docker", "br-", "veth"].iter().any(|prefix| name.starts_with(prefix));
    let addresses = interfaces.filter(|it| !of_engine(&it.interface_name)).filter_map(|it| {
        let address = it.address?;
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    });
    let is_reachable = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        // Link-local ones mean nothing without the name of the interface.
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    addresses.filter(is_reachable).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The folder is on a file system that a reboot empties. Not so the kernel's boot id: hosts that
/// share a kernel share it too.
pub(crate) fn boot_mark(run_dir: &Path) -> BootMark {
    if run_dir.join(MARK).exists() { BootMark::Again } else { BootMark::FirstRun }
}

/// Called once what stood still after the boot has been judged.
pub(crate) fn leave_boot_mark(run_dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(run_dir)?;
    match std::fs::File::create_new(run_dir.join(MARK)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_boot_is_left_once() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("run");
        assert_eq!(boot_mark(&run_dir), BootMark::FirstRun);
        leave_boot_mark(&run_dir).unwrap();
        leave_boot_mark(&run_dir).unwrap();
        assert_eq!(boot_mark(&run_dir), BootMark::Again);
    }

    #[test]
    fn no_address_leads_back_to_this_machine() {
        assert!(addresses().iter().all(|it| !it.is_loopback()));
    }
}
