//! What earlier versions wrote into the log must be read by every later one.

use super::*;
use crate::raft::types::Peer;
use common::container::{
    Access, BindMount, ContainerSpec, Mount, MountSource, TmpfsMount, VolumeMount,
};
use common::service::{Mode, ServiceSpec, TaskSpec};
use openraft::Membership;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

/// Also writes the files anew where `UPDATE_GOLDEN` is set, which is right only for new ones.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let encoded = shell::codec::encode(value).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &encoded).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    assert_eq!(encoded, golden, "{name} is written differently");
    assert_eq!(shell::codec::decode::<T>(&golden).unwrap(), *value, "{name} reads differently");
}

#[test]
fn the_formats_of_the_log_stay() {
    let peers: BTreeMap<NodeId, Peer> = [(1, "10.0.0.1:7373"), (2, "[fd00::2]:7373")]
        .map(|(node, address)| (NodeId(node), Peer { address: address.parse().unwrap() }))
        .into();
    let membership = Membership::new(vec![[NodeId(1)].into()], peers);
    let entries: [Entry<TypeConfig>; 3] = [
        Entry { log_id: log_id(1, 0), payload: EntryPayload::Membership(membership) },
        Entry { log_id: log_id(2, 1), payload: EntryPayload::Blank },
        entry(2, 2, 20),
    ];
    check("log-entries-1.bin", &entries);
    check("vote-1.bin", &Vote::new_committed(7, NodeId(u64::MAX)));
    let bounds = Bounds { purged: Some(log_id(1, 0)), committed: None, durable_end: 3 };
    check("log-bounds-1.bin", &bounds);
}

/// As it was before containers had more to say of themselves.
fn old_spec() -> ServiceSpec {
    let mount = |target: &str, source| Mount {
        target: target.to_owned(),
        access: Access::ReadOnly,
        source,
    };
    let volume = VolumeMount {
        name: Some("data".to_owned()),
        options: [("type".to_owned(), "nfs".to_owned())].into(),
        ..VolumeMount::default()
    };
    let tmpfs = TmpfsMount { size_bytes: Some(9), ..TmpfsMount::default() };
    let container = ContainerSpec {
        entrypoint: None,
        args: Some(vec!["sleep".to_owned(), "60".to_owned()]),
        init: Some(true),
        mounts: vec![
            mount("/b", MountSource::Bind(BindMount::of_path("/srv"))),
            mount("/v", MountSource::Volume(volume)),
            mount("/t", MountSource::Tmpfs(tmpfs)),
        ],
        ..ContainerSpec::of_image("redis:7".parse().unwrap())
    };
    ServiceSpec::new("web".parse().unwrap(), Mode::Global, TaskSpec::of_container(container))
}

#[test]
fn services_of_earlier_versions_are_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/service-1.bin");
    let golden = std::fs::read(path).unwrap();
    assert_eq!(shell::codec::decode::<ServiceSpec>(&golden).unwrap(), old_spec());
}

#[test]
fn what_runs_is_kept_as_it_was_said() {
    let cases = [None, Some(Vec::new()), Some(vec!["sh".to_owned(), String::new()])];
    for entrypoint in cases {
        let args = entrypoint.clone();
        let image = "redis:7".parse().unwrap();
        let spec = ContainerSpec { entrypoint, args, ..ContainerSpec::of_image(image) };
        let encoded = shell::codec::encode(&spec).unwrap();
        assert_eq!(shell::codec::decode::<ContainerSpec>(&encoded).unwrap(), spec);
    }
}
