//! What a wish becomes in Docker's words.

use super::*;
use agent_core::health::Health;
use common::container::ContainerSpec;
use common::resources::Resources;
use common::service::TaskSpec;
use common::task::{DesiredState, Slot};
use common::{ClusterId, NodeId, ServiceId};
use expect_test::{Expect, expect};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const OWNER: Owner = Owner { node: NodeId(2), cluster: ClusterId(3) };

fn assignment(container: ContainerSpec) -> Assignment {
    Assignment {
        task: TaskId(1),
        service: ServiceId(4),
        service_name: "shop_web".to_owned(),
        service_labels: BTreeMap::from([(STACK_LABEL.to_owned(), "shop".to_owned())]),
        slot: Slot::Replica(2),
        node: NodeId(2),
        desired: DesiredState::Running,
        spec: Arc::new(TaskSpec {
            limits: Resources { cpu_nanos: 500_000_000, memory_bytes: 64 << 20 },
            reservations: Resources { cpu_nanos: 0, memory_bytes: 32 << 20 },
            ..TaskSpec::of_container(container)
        }),
    }
}

fn spec() -> ContainerSpec {
    ContainerSpec::of_image("redis:7".parse().unwrap())
}

/// What goes over the wire, in the order of its keys.
fn check(container: ContainerSpec, what: &str, expected: Expect) {
    let body = super::container(OWNER, &assignment(container));
    let body = serde_json::to_value(body).unwrap();
    let found = body.pointer(what).cloned().unwrap_or_default();
    expected.assert_eq(&found.to_string());
}

#[test]
fn labels_are_ours_and_swarms() {
    let own = BTreeMap::from([
        ("mine".to_owned(), "yes".to_owned()),
        // Nobody takes another task's place.
        (TASK_LABEL.to_owned(), "forged".to_owned()),
    ]);
    let assignment = assignment(ContainerSpec { labels: own, ..spec() });
    let labels: BTreeMap<_, _> = labels(OWNER, &assignment).into_iter().collect();
    let text: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    expect![[r#"
        com.docker.stack.namespace=shop
        com.docker.swarm.node.id=0000000000002
        com.docker.swarm.service.id=0000000000004
        com.docker.swarm.service.name=shop_web
        com.docker.swarm.task=
        com.docker.swarm.task.id=0000000000001
        com.docker.swarm.task.name=shop_web.2.0000000000001
        mine=yes
        skep.cluster.id=0000000000003
        skep.node.id=0000000000002
        skep.service.id=0000000000004
        skep.service.name=shop_web
        skep.stack=shop
        skep.task.id=0000000000001
        skep.task.name=shop_web.2.0000000000001
        skep.task.slot=2"#]]
    .assert_eq(&text.join("\n"));
}

#[test]
fn a_wish_in_dockers_words() {
    let wish = ContainerSpec {
        args: vec!["--port".to_owned(), "1".to_owned()],
        init: true,
        stop_grace: Duration::from_millis(1_500),
        stop_signal: Some("SIGINT".to_owned()),
        ..spec()
    };
    check(wish.clone(), "/Cmd", expect![[r#"["--port","1"]"#]]);
    check(wish.clone(), "/Entrypoint", expect!["null"]);
    check(wish.clone(), "/StopTimeout", expect!["2"]);
    check(wish.clone(), "/StopSignal", expect![[r#""SIGINT""#]]);
    check(wish.clone(), "/HostConfig/NanoCpus", expect!["500000000"]);
    check(wish.clone(), "/HostConfig/Memory", expect!["67108864"]);
    check(wish.clone(), "/HostConfig/MemoryReservation", expect!["33554432"]);
    check(wish.clone(), "/HostConfig/RestartPolicy", expect![[r#"{"Name":"no"}"#]]);
    check(wish, "/HostConfig/Init", expect!["true"]);
}

#[test]
fn mounts_of_all_kinds() {
    let mount = |source, access| Mount { target: "/data".to_owned(), access, source };
    let volume = |name: Option<&str>, options: &[(&str, &str)]| MountSource::Volume {
        name: name.map(str::to_owned),
        driver: None,
        options: options.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
    };
    let cases = [
        (
            mount(MountSource::Bind { path: "/srv".to_owned() }, Access::ReadOnly),
            expect![[r#"[{"ReadOnly":true,"Source":"/srv","Target":"/data","Type":"bind"}]"#]],
        ),
        (
            mount(volume(Some("db"), &[]), Access::ReadWrite),
            expect![[r#"[{"ReadOnly":false,"Source":"db","Target":"/data","Type":"volume"}]"#]],
        ),
        (
            mount(volume(None, &[("type", "nfs")]), Access::ReadWrite),
            expect![[
                r#"[{"ReadOnly":false,"Target":"/data","Type":"volume","VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"nfs"}}}}]"#
            ]],
        ),
        (
            mount(
                MountSource::Tmpfs { size_bytes: Some(4096), mode: Some(0o1777) },
                Access::ReadWrite,
            ),
            expect![[
                r#"[{"ReadOnly":false,"Target":"/data","TmpfsOptions":{"Mode":1023,"SizeBytes":4096},"Type":"tmpfs"}]"#
            ]],
        ),
    ];
    for (mount, expected) in cases {
        check(ContainerSpec { mounts: vec![mount], ..spec() }, "/HostConfig/Mounts", expected);
    }
}

#[test]
fn only_our_own_containers_are_seen() {
    let summary = |name: &str, state, status: &str| ContainerSummary {
        id: Some("abc".to_owned()),
        names: Some(vec![format!("/{name}")]),
        labels: Some(HashMap::from([(TASK_LABEL.to_owned(), TaskId(1).to_string())])),
        state: Some(state),
        status: Some(status.to_owned()),
        ..ContainerSummary::default()
    };
    let exited = |code| Some(Phase::Exited(Exit { code, out_of_memory: false }));
    let name = format!("web.1.{}", TaskId(1));
    let cases = [
        (name.as_str(), State::RUNNING, "Up 3 seconds", Some(Phase::Running(Health::Unchecked))),
        (&name, State::PAUSED, "Up 3 seconds (healthy)", Some(Phase::Running(Health::Healthy))),
        (&name, State::CREATED, "Created", Some(Phase::Created)),
        (&name, State::EXITED, "Exited (137) 2 minutes ago", exited(137)),
        (&name, State::REMOVING, "Removal In Progress", None),
        // Made from an image that was made from one of ours.
        ("jolly_turing", State::RUNNING, "Up 3 seconds", None),
    ];
    for (name, state, status, expected) in cases {
        let phase = seen(&summary(name, state, status)).map(|it| it.phase);
        assert_eq!(phase, expected, "{name} {status}");
    }
}

#[test]
fn requests_name_the_version() {
    let request = http::Request::get("unix://2f76/containers/json?all=true");
    let body = bollard::body_full(Vec::new().into());
    let version = api_version("1.41").unwrap();
    let request = with_version(request.body(body).unwrap(), version);
    assert_eq!(request.uri(), "unix://2f76/v1.41/containers/json?all=true");
    assert_eq!(api_version("latest").map(|it| it.to_string()), None);
}
