//! What a lab and its hosts are called: namespaces, interfaces, addresses, folders.
//!
//! All of it follows from the lab's name, so a later run finds what a crashed one left behind.

use std::path::PathBuf;

use super::command::binary;

/// Begins the names of all network namespaces and control groups of all labs.
pub(super) const PREFIX: &str = "sklab";
/// Where disks of hosts lie. It must allow overlayfs on top, which a tmpfs or a container's own
/// root may not, and it must not be inside a directory of which each host has its own copy.
const FOLDER_DEFAULT: &str = "/var/tmp";
const FOLDER_PREFIX: &str = "skep-lab.";
/// The address of the switch itself, from where `Lab::run_outside` looks at the hosts.
const SWITCH_ADDRESS_LAST_BYTE: usize = 254;
const HOSTS_MAX: usize = 200;

#[derive(Clone, Debug)]
pub(super) struct LabNames {
    name: String,
    /// Three hex digits keep interface names within the kernel's 15 letters.
    prefix: String,
    subnet: String,
}

impl LabNames {
    pub(super) fn new(name: &str) -> LabNames {
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "a lab's name is part of paths: lower case letters, digits and - only, not {name:?}"
        );
        let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        let [first, second, ..] = digest.as_ref() else { unreachable!("SHA-256 has 32 bytes") };
        LabNames {
            name: name.to_owned(),
            prefix: format!("{PREFIX}{first:02x}{:x}", second >> 4),
            // Seen by the lab's own namespaces only, but it must not meet Docker's 172.*.
            subnet: format!("10.{}.{second}", first | 0x80),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn folder(&self) -> PathBuf {
        base_folder().join(format!("{FOLDER_PREFIX}{}", self.name))
    }

    /// The namespace with the bridge in it.
    pub(super) fn switch_namespace(&self) -> String {
        format!("{}sw", self.prefix)
    }

    pub(super) fn switch_address(&self) -> String {
        format!("{}.{SWITCH_ADDRESS_LAST_BYTE}/24", self.subnet)
    }

    /// Names of namespaces and control groups of this lab, and of no other, begin with it.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn host(&self, index: usize) -> HostNames {
        assert!((1..=HOSTS_MAX).contains(&index), "a lab has 1 to {HOSTS_MAX} hosts");
        HostNames {
            index,
            hostname: format!("rasp{index}"),
            namespace: format!("{}{index}", self.prefix),
            port: format!("port{index}"),
            mac: format!("02:73:6b:00:00:{index:02x}"),
            address: format!("{}.{index}", self.subnet),
            folder: self.folder().join(format!("rasp{index}")),
        }
    }

    /// What every host's /etc/hosts says.
    pub(super) fn hosts_file(&self, hosts: usize) -> String {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for host in (1..=hosts).map(|index| self.host(index)) {
            text.push_str(&format!("{} {}\n", host.address, host.hostname));
        }
        text
    }
}

#[derive(Clone, Debug)]
pub(super) struct HostNames {
    pub(super) index: usize,
    pub(super) hostname: String,
    /// Also the name of its control group.
    pub(super) namespace: String,
    /// The switch's end of its cable; the host's own end is `eth0`.
    pub(super) port: String,
    pub(super) mac: String,
    pub(super) address: String,
    pub(super) folder: PathBuf,
}

impl HostNames {
    pub(super) fn engine_socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// Written by the host's first process when it is ready: its process id seen from outside.
    pub(super) fn ready_file(&self) -> PathBuf {
        self.folder.join("ready")
    }

    pub(super) fn log(&self, program: &str) -> PathBuf {
        self.folder.join(format!("{program}.log"))
    }

    pub(super) fn namespace_file(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.namespace)
    }

    /// The command that makes the namespaces of a host and becomes its first process.
    pub(super) fn boot_command(&self) -> Vec<String> {
        let mut words: Vec<String> = vec!["nsenter".to_owned()];
        words.push(format!("--net={}", self.namespace_file().display()));
        words.extend(
            ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
                .map(str::to_owned),
        );
        words.push(binary("labhost").display().to_string());
        words.extend(["boot".to_owned(), self.hostname.clone(), self.index.to_string()]);
        words.push(self.folder.display().to_string());
        words
    }
}

/// Every lab folder there is, of whatever name: (lab name, folder).
pub(super) fn existing_labs() -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(base_folder()) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().to_str()?.strip_prefix(FOLDER_PREFIX)?.to_owned();
            Some((name, entry.path()))
        })
        .collect()
}

fn base_folder() -> PathBuf {
    std::env::var_os("SKEP_LAB_DIR").map_or_else(|| PathBuf::from(FOLDER_DEFAULT), PathBuf::from)
}
