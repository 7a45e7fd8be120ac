//! The switch and its cables.
//!
//! The bridge has a namespace of its own: so neither the firewall of this machine nor that of a
//! host sees what passes between hosts, and no interface is left on this machine.

use std::time::Duration;

use super::command::{Output, run};
use super::names::{HostNames, LabNames};
use super::poll;

/// The kernel takes a dead namespace's interfaces down a moment after its last process.
const CABLE_GONE_LIMIT: Duration = Duration::from_secs(10);

const FILTER: &str = "table bridge lab {
    set parted { type ether_addr . ether_addr; }
    chain forward {
        type filter hook forward priority 0;
        ether saddr . ether daddr @parted drop
    }
}";

#[derive(Debug)]
pub(super) struct Switch {
    namespace: String,
}

impl Switch {
    pub(super) fn build(names: &LabNames) -> Switch {
        let switch = Switch { namespace: names.switch_namespace() };
        run(&["ip", "netns", "add", &switch.namespace]).ok();
        switch.link("link set lo up");
        switch.link("link add br0 type bridge");
        switch.link(&format!("addr add {} dev br0", names.switch_address()));
        switch.link("link set br0 up");
        switch.run(&["nft", FILTER]).ok();
        switch
    }

    /// A new network namespace for a host that is off, and a cable into it.
    pub(super) fn plug_in(&self, host: &HostNames) {
        let HostNames { namespace, port, mac, address, .. } = host;
        if host.namespace_file().exists() {
            run(&["ip", "netns", "del", namespace]).ok();
        }
        let gone = poll(CABLE_GONE_LIMIT, || {
            // Deleting it ourselves only hastens what the kernel does anyway.
            run(&["ip", "-n", &self.namespace, "link", "del", port]);
            !run(&["ip", "-n", &self.namespace, "link", "show", port]).is_ok()
        });
        assert!(gone, "the old cable of {} does not go away", host.hostname);
        run(&["ip", "netns", "add", namespace]).ok();
        self.link(&format!(
            "link add {port} type veth peer name eth0 address {mac} netns {namespace}"
        ));
        self.raise(host);
        let inside = |words: &str| {
            run(&[&["ip", "-n", namespace][..], &words.split(' ').collect::<Vec<_>>()].concat())
                .ok()
        };
        inside("link set lo up");
        inside(&format!("addr add {address}/24 brd + dev eth0"));
        inside("link set eth0 up");
    }

    pub(super) fn raise(&self, host: &HostNames) {
        self.link(&format!("link set {} master br0 up", host.port));
    }

    pub(super) fn lower(&self, host: &HostNames) {
        self.link(&format!("link set {} down", host.port));
    }

    pub(super) fn isolate(&self, host: &HostNames) {
        self.link(&format!("link set {} nomaster", host.port));
    }

    pub(super) fn part(&self, one: &HostNames, other: &HostNames) {
        self.run(&["nft", &pair("add", one, other)]).ok();
    }

    pub(super) fn join(&self, one: &HostNames, other: &HostNames) {
        // Adding first makes deleting right whether the two were parted or not.
        self.part(one, other);
        self.run(&["nft", &pair("delete", one, other)]).ok();
    }

    pub(super) fn run(&self, command: &[&str]) -> Output {
        run(&[&["ip", "netns", "exec", &self.namespace][..], command].concat())
    }

    fn link(&self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        run(&[&["ip", "-n", &self.namespace][..], &words].concat()).ok();
    }
}

fn pair(verb: &str, one: &HostNames, other: &HostNames) -> String {
    let (one, other) = (&one.mac, &other.mac);
    format!("{verb} element bridge lab parted {{ {one} . {other}, {other} . {one} }}")
}
