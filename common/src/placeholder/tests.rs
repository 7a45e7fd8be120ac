//! What each placeholder stands for, and what is none.

use super::*;
use crate::container::{Access, BindMount, Mount, VolumeMount};
use crate::service::TaskSpec;
use crate::task::{DesiredState, Slot};
use crate::{NodeId, ServiceId, TaskId};

fn assignment() -> Assignment {
    let container = ContainerSpec::of_image("redis".parse().expect("an image"));
    let labels = [("zone", "west"), ("com.docker.stack.namespace", "shop")];
    Assignment {
        task: TaskId(1),
        service: ServiceId(4),
        service_name: "shop_web".to_owned(),
        service_labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        slot: Slot::Replica(2),
        node: NodeId(3),
        desired: DesiredState::Running,
        spec: Arc::new(TaskSpec::of_container(container)),
    }
}

fn site(machine: &str) -> Site {
    let platform = Platform::from_machine("linux", machine);
    Site { node_name: "rasp11".to_owned(), platform }
}

#[test]
fn what_they_stand_for() {
    let cases = [
        ("", ""),
        ("plain }} text", "plain }} text"),
        ("{{.Service.ID}}", "0000000000004"),
        ("{{.Service.Name}}", "shop_web"),
        ("{{.Service.Labels.zone}}", "west"),
        ("{{index .Service.Labels \"zone\"}}", "west"),
        ("{{ index  .Service.Labels `com.docker.stack.namespace` }}", "shop"),
        ("<{{index .Service.Labels \"nothing\"}}>", "<>"),
        ("{{.Node.ID}}", "0000000000003"),
        ("{{.Node.Hostname}}", "rasp11"),
        ("{{.Node.Platform.Architecture}}/{{.Node.Platform.OS}}", "aarch64/linux"),
        ("{{.Task.ID}}", "0000000000001"),
        ("{{.Task.Name}}", "shop_web.2.0000000000001"),
        ("a-{{ .Task.Slot\t}}{{.Task.Slot}}-b", "a-22-b"),
        ("{{\"{{\"}}.Time}}", "{{.Time}}"),
        ("{{`{{.Time}} \"\\n\"`}}", "{{.Time}} \"\\n\""),
    ];
    for (given, expected) in cases {
        let filled = assignment().fill(given, &site("aarch64"));
        assert_eq!(filled.as_deref(), Ok(expected), "{given}");
    }
}

#[test]
fn a_global_services_slot_is_its_node() {
    let global = Assignment { slot: Slot::Node(NodeId(3)), ..assignment() };
    let filled = global.fill("{{.Task.Slot}}", &site("x86_64"));
    assert_eq!(filled.as_deref(), Ok("0000000000003"));
}

#[test]
fn what_is_none() {
    let unknown = "is not a placeholder that is known";
    let cases = [
        ("{{.Task.Slots}}", unknown),
        ("{{}}", unknown),
        ("{{{.Task.Slot}}}", unknown),
        ("{{.Service.Labels}}", unknown),
        ("{{.Service.Labels.}}", unknown),
        ("{{.Service.Labels.com.example}}", unknown),
        ("{{.Task.Slot | printf \"%03s\"}}", unknown),
        ("{{if .Task.Slot}}a{{end}}", unknown),
        ("{{- .Task.Slot -}}", unknown),
        ("{{env \"HOME\"}}", unknown),
        ("{{\"\\n\"}}", unknown),
        ("a{{.Task.Slot", "in `{{.Task.Slot` the braces are not closed"),
        ("{{\"a}}", "are not closed"),
        ("{{.Task.Slot}}{{", "in `{{` the braces"),
        ("{{.Service.Labels.rack}}", "has no label `rack`: give it one (--label rack=VALUE"),
    ];
    for (given, reason) in cases {
        let told = assignment().fill(given, &site("aarch64")).map_err(|it| it.to_string());
        let is_right = told.as_ref().is_err_and(|it| it.contains(reason));
        assert!(is_right, "{given}: {told:?} instead of `{reason}`");
    }
}

#[test]
fn the_remedy_is_told_in_full() {
    let told = BadPlaceholder::Unknown { given: "{{.A}}".to_owned() }.to_string();
    let begin = "{{.A}} is not a placeholder that is known: there are {{.Service.ID}}, ";
    let end = "{{.Task.Slot}}, {{.Service.Labels.KEY}} and {{index .Service.Labels \"KEY\"}}, \
               without functions or conditions; for two braces as they are write {{\"{{\"}}";
    assert!(told.starts_with(begin) && told.ends_with(end), "{told}");
}

fn with(edit: impl FnOnce(&mut ContainerSpec)) -> Assignment {
    let mut assignment = assignment();
    edit(&mut Arc::make_mut(&mut assignment.spec).container);
    assignment
}

fn mount(target: &str, source: MountSource) -> Mount {
    Mount { target: target.to_owned(), access: Access::ReadWrite, source }
}

/// A volume with the same text in all places that take some.
fn volume(text: &str) -> MountSource {
    let map = || [("key".to_owned(), text.to_owned())].into();
    let name = Some(text.to_owned());
    MountSource::Volume(VolumeMount { name, labels: map(), options: map(), ..Default::default() })
}

#[test]
fn where_they_may_stand() {
    let slot = "{{.Task.Slot}}";
    let given = with(|it| {
        it.hostname = Some(format!("web-{slot}"));
        it.env = vec![format!("A={slot}={slot}"), "B".to_owned(), "C=".to_owned()];
        let bind = MountSource::Bind(BindMount::of_path(format!("/srv/{slot}")));
        it.mounts = vec![mount(&format!("/at/{slot}"), bind), mount("/v", volume(slot))];
        // Here they are nothing in particular, as in Swarm.
        it.args = Some(vec![slot.to_owned()]);
    });
    let expected = with(|it| {
        it.hostname = Some("web-2".to_owned());
        it.env = ["A=2=2", "B", "C="].map(str::to_owned).into();
        let bind = MountSource::Bind(BindMount::of_path("/srv/2"));
        it.mounts = vec![mount("/at/2", bind), mount("/v", volume("2"))];
        it.args = Some(vec![slot.to_owned()]);
    });
    assert_eq!(given.filled_in(&site("x86_64")), Ok(expected));
}

#[test]
fn who_is_wrong_is_named() {
    type Edit = fn(&mut ContainerSpec);
    let cases: [(Edit, &str); 5] = [
        (|it| it.hostname = Some("{{.A}}".to_owned()), "host name"),
        (|it| it.env = vec!["A=1".to_owned(), "B={{.A}}".to_owned()], "environment variable B"),
        (
            |it| it.mounts = vec![mount("/b", MountSource::Bind(BindMount::of_path("/{{.A}}")))],
            "source of mount /b",
        ),
        (|it| it.mounts = vec![mount("/v", volume("{{.A}}"))], "source of mount /v"),
        (|it| it.mounts = vec![mount("/{{.A}}", volume("v"))], "mount target /{{.A}}"),
    ];
    for (edit, field) in cases {
        let told = with(edit).filled_in(&site("x86_64"));
        assert_eq!(told.map_err(|it| it.field), Err(field.to_owned()));
    }
}
