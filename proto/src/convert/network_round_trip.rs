//! Networks and what is planned with them come back from the wire as they were, and what makes no
//! sense is refused.

use crate::v1;
use common::container::ContainerSpec;
use common::network::{AddressPool, Network, NetworkSpec};
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::stack::{NetworkPlan, PlannedNetwork, StackSpec};
use common::{Name, NetworkId, Stamp, Timestamp, Version, WallTime};
use prost::Message;
use std::collections::BTreeMap;
use std::fmt::Debug;

const STAMP: Stamp = Stamp { at: Timestamp(7), wall: WallTime(1_700_000_000_123) };

fn comes_back<W, T>(value: &T)
where
    W: Message + Default + for<'a> From<&'a T>,
    T: TryFrom<W> + PartialEq + Debug,
    T::Error: Debug,
{
    let bytes = W::from(value).encode_to_vec();
    let wire = W::decode(bytes.as_slice()).expect("what was encoded is decoded");
    assert_eq!(&T::try_from(wire).expect("what was ours is ours"), value);
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn pairs() -> BTreeMap<String, String> {
    [("a".to_owned(), "b".to_owned())].into()
}

fn plain() -> NetworkSpec {
    NetworkSpec::new(name("back"))
}

fn full() -> NetworkSpec {
    let pool = |subnet: &str| AddressPool {
        subnet: subnet.parse().expect("a subnet"),
        range: None,
        gateway: None,
        taken: BTreeMap::new(),
    };
    let narrow = AddressPool {
        range: Some("10.1.9.0/24".parse().expect("a subnet")),
        gateway: Some([10, 1, 0, 1].into()),
        taken: [("router".to_owned(), [10, 1, 0, 5].into())].into(),
        ..pool("10.1.0.0/16")
    };
    NetworkSpec {
        labels: pairs(),
        stack: Some(name("shop")),
        driver_options: pairs(),
        encrypted: true,
        internal: true,
        attachable: true,
        ipv6: true,
        pools: vec![narrow, pool("fd00:1::/64")],
        ..plain()
    }
}

#[test]
fn networks() {
    for spec in [plain(), full()] {
        comes_back::<v1::NetworkSpec, _>(&spec);
        let (id, version) = (NetworkId(u64::MAX), Version(3));
        comes_back::<v1::Network, _>(&Network {
            id,
            version,
            created: STAMP,
            updated: STAMP,
            spec,
        });
    }
}

#[test]
fn plans() {
    let (old, new) = (Box::new(plain()), Box::new(full()));
    for action in [
        PlannedNetwork::Create { spec: new.clone() },
        PlannedNetwork::Update { old: old.clone(), new: new.clone() },
        PlannedNetwork::Replace { old, new },
        PlannedNetwork::Keep,
    ] {
        comes_back::<v1::NetworkPlan, _>(&NetworkPlan { name: name("back"), action });
    }
}

#[test]
fn stacks() {
    let container = ContainerSpec::of_image("redis:7".parse().expect("an image"));
    let mode = Mode::Replicated { replicas: 1 };
    let service = ServiceSpec::new(name("shop_web"), mode, TaskSpec::of_container(container));
    comes_back::<v1::StackSpec, _>(&StackSpec {
        name: name("shop"),
        services: vec![service],
        files: Vec::new(),
        networks: vec![full(), plain()],
        prune: true,
        is_partial: true,
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let with = |change: fn(&mut v1::NetworkSpec)| {
        let mut wire = v1::NetworkSpec::from(&full());
        change(&mut wire);
        NetworkSpec::try_from(wire).map_err(|it| it.field)
    };
    assert!(with(|_| {}).is_ok());
    assert_eq!(with(|it| it.driver = 0), Err("network.driver"));
    assert_eq!(with(|it| it.driver = 99), Err("network.driver"));
    assert_eq!(with(|it| it.name.clear()), Err("network.name"));
    assert_eq!(with(|it| it.pools[0].subnet = "10.1.0.0".to_owned()), Err("pool.subnet"));
    assert_eq!(with(|it| it.pools[0].gateway = Some(String::new())), Err("pool.gateway"));
}
