//! Configs and secrets in the core: made, changed, granted, delivered and removed.

use common::container::{Access, ContainerSpec, Mount, MountSource, TmpfsMount};
use common::file::{
    CONFIG_BYTES_MAX, Content, Digest, Extent, FileKind, Grant, NewFile, SEAL_BYTES,
    SECRET_BYTES_MAX,
};
use common::node::{Node, NodeKind, NodeSpec, Role};
use common::secret::Secret;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::task::{DesiredState, Observation, Placement, Slot, Task, TaskState, TaskStatus};
use common::{FileId, IdGen, NodeId, ServiceId, Stamp, TaskId, Version};
use manager_core::change::{Batch, Change, Conflict, FileChange, Unity};
use manager_core::file_requests::{self, set_labels};
use manager_core::requests::{self, Refused};
use manager_core::state::State;
use manager_core::{deliveries, invariants, lookup};
use std::collections::BTreeMap;

const NODES: [NodeId; 2] = [NodeId(1), NodeId(2)];

struct World {
    state: State,
    ids: IdGen,
    version: u64,
}

impl World {
    fn new() -> World {
        let mut world = World { state: State::default(), ids: IdGen::from_seed(1), version: 0 };
        for id in NODES {
            let seat = (([10, 0, 0, 1], 7373).into(), NodeKind::Full);
            let name = format!("n{}", id.0).parse().expect("a name");
            let node = Node::joining(id, name, NodeSpec::of_role(Role::Worker), seat);
            world.must(vec![Change::AddNode(Box::new(node))]);
        }
        world
    }

    fn apply(&mut self, changes: Vec<Change>) -> Vec<Conflict> {
        self.version += 1;
        let batch = Batch { stamp: Stamp::default(), unity: Unity::AllOrNothing, changes };
        let applied = self.state.apply(Version(self.version), &batch);
        assert_eq!(invariants::violations(&self.state), Vec::<String>::new());
        applied.refused.into_iter().map(|(_, conflict)| conflict).collect()
    }

    #[track_caller]
    fn must(&mut self, changes: Vec<Change>) {
        assert_eq!(self.apply(changes), []);
    }

    fn create(&mut self, name: &str, content: Content) -> Result<FileId, Refused> {
        let (id, changes) = file_requests::create(&self.state, new(name, content), &mut self.ids)?;
        self.must(changes);
        Ok(id)
    }

    fn service(&mut self, name: &str, grants: Vec<Grant>) -> Result<ServiceId, Refused> {
        let created = requests::create_service(&self.state, spec(name, grants), &mut self.ids)?;
        self.must(created.changes);
        Ok(created.id)
    }

    fn task(&mut self, service: ServiceId, node: NodeId) -> TaskId {
        let id = self.ids.task();
        let template = self.state.service(service).expect("a service").template;
        let status = TaskStatus { state: TaskState::New, since: Stamp::default(), failure: None };
        let task = Task {
            id,
            service,
            slot: Slot::Replica(u32::try_from(self.version).expect("few changes")),
            template,
            placement: Placement::Unplaced,
            desired: DesiredState::Running,
            status,
            created: Stamp::default(),
            ran: None,
        };
        self.must(vec![Change::CreateTask(Box::new(task)), Change::PlaceTask { task: id, node }]);
        id
    }
}

fn new(name: &str, content: Content) -> NewFile {
    NewFile {
        name: name.parse().expect("a name"),
        labels: BTreeMap::new(),
        stack: None,
        digest: Digest([1; 32]),
        content,
    }
}

fn config(bytes: usize) -> Content {
    Content::Config(vec![7; bytes].into())
}

fn secret(bytes: usize) -> Content {
    Content::Secret(vec![7; bytes + SEAL_BYTES].into())
}

fn grant(file: FileId, kind: FileKind, name: &str) -> Grant {
    Grant::of(file, kind, name.parse().expect("a name"))
}

fn spec(name: &str, grants: Vec<Grant>) -> ServiceSpec {
    let image = "box:1".parse().expect("an image");
    let container = ContainerSpec { grants, ..ContainerSpec::of_image(image) };
    let mode = Mode::Replicated { replicas: 1 };
    ServiceSpec::new(name.parse().expect("a name"), mode, TaskSpec::of_container(container))
}

#[test]
fn sizes_and_names_are_checked() {
    let mut world = World::new();
    let cases = [
        ("a", config(1), ""),
        ("b", config(CONFIG_BYTES_MAX), ""),
        ("c", config(CONFIG_BYTES_MAX + 1), "1000KiB at most"),
        ("d", config(0), "is empty"),
        // A config and a secret do not share their names.
        ("a", secret(SECRET_BYTES_MAX), ""),
        ("e", secret(SECRET_BYTES_MAX + 1), "500KiB at most"),
        ("f", secret(0), "is empty"),
        ("a", secret(1), "a secret named a exists already"),
    ];
    for (name, content, words) in cases {
        let made = world.create(name, content).map_err(|it| it.to_string());
        match made {
            Ok(_) => assert_eq!(words, "", "{name}"),
            Err(said) => assert!(!words.is_empty() && said.contains(words), "{name}: {said}"),
        }
    }
    assert_eq!(world.state.files(FileKind::Config).count(), 2);
    assert_eq!(world.state.files(FileKind::Secret).count(), 1);
    let rebuilt = State::from(world.state.tables().clone());
    assert_eq!(rebuilt, world.state);
}

#[test]
fn all_together_fit_into_a_manager_s_memory() {
    let mut world = World::new();
    let mut made = 0;
    let refused = loop {
        match world.create(&format!("c{made}"), config(CONFIG_BYTES_MAX)) {
            Ok(_) => made += 1,
            Err(refused) => break refused.to_string(),
        }
    };
    assert!((30..34).contains(&made), "{made}");
    assert!(refused.contains("more than 32MiB"), "{refused}");
    // Two that were checked at the same time.
    let file = |world: &mut World, name: &str| {
        file_requests::create(&world.state, new(name, config(400 << 10)), &mut world.ids).unwrap().1
    };
    let (one, other) = (file(&mut world, "x"), file(&mut world, "y"));
    world.must(one);
    assert_eq!(world.apply(other), [Conflict::TooManyFiles]);
}

#[test]
fn what_is_in_use_stays() {
    let mut world = World::new();
    let id = world.create("db-password", secret(3)).unwrap();
    let given = [grant(id, FileKind::Secret, "db-password")];
    let web = world.service("web", given.to_vec()).unwrap();
    world.service("db", given.to_vec()).unwrap();
    let remove = |world: &World, given: &str| {
        file_requests::remove(&world.state, FileKind::Secret, &[given.to_owned()])
    };
    let refused = remove(&world, "db-password").unwrap_err().to_string();
    let (one, other) = (refused.contains("web"), refused.contains("db"));
    assert!(one && other && refused.contains("in use by"), "{refused}");
    // Also where it came into use only after it was checked.
    assert!(matches!(
        world.apply(vec![Change::File(FileChange::Remove { file: id })])[..],
        [Conflict::FileInUse { .. }]
    ));
    for name in ["web", "db"] {
        let changes = requests::remove_services(&world.state, &[name.to_owned()]).unwrap();
        world.must(changes);
    }
    assert!(world.state.service(web).is_some(), "it is being removed, and that does not matter");
    let begin = &id.to_string()[..4];
    let changes = remove(&world, begin).unwrap();
    world.must(changes);
    assert_eq!(world.state.file(id), None);
    let refused = remove(&world, "db-password").unwrap_err().to_string();
    assert!(refused.contains("no such secret: db-password (`skep secret ls`"), "{refused}");
}

#[test]
fn only_what_is_there_is_granted() {
    let mut world = World::new();
    let id = world.create("app.conf", config(3)).unwrap();
    let cases = [
        grant(FileId(9), FileKind::Config, "app.conf"),
        grant(id, FileKind::Secret, "app.conf"),
        grant(id, FileKind::Config, "other.conf"),
    ];
    for grant in cases {
        let refused = world.service("web", vec![grant.clone()]).unwrap_err().to_string();
        assert!(refused.contains("there is no"), "{refused}");
        let create =
            Change::CreateService { id: ServiceId(1), spec: Box::new(spec("web", vec![grant])) };
        assert!(matches!(world.apply(vec![create])[..], [Conflict::GrantOfNothing { .. }]));
    }
    // In one batch with what it needs, as a stack may come.
    let (file, mut changes) =
        file_requests::create(&world.state, new("new", secret(1)), &mut world.ids).unwrap();
    let spec = spec("web", vec![grant(file, FileKind::Secret, "new")]);
    changes.push(Change::CreateService { id: ServiceId(1), spec: Box::new(spec) });
    world.must(changes);
}

#[test]
fn targets_are_checked() {
    let mut world = World::new();
    let id = world.create("app.conf", config(3)).unwrap();
    let good = grant(id, FileKind::Config, "app.conf");
    let at = |target: &str| Grant { target: target.to_owned(), ..good.clone() };
    let bad = ["", "/", "../x", "/etc/../x", "a//b", "/etc/", "a\nb", "./a"];
    for target in bad {
        let refused = world.service("web", vec![at(target)]).unwrap_err().to_string();
        assert!(refused.contains("is not a target"), "{target}: {refused}");
    }
    let twice = vec![at("app"), at("/app")];
    let refused = world.service("web", twice).unwrap_err().to_string();
    assert!(refused.contains("target /app already"), "{refused}");
    let mut over_mount = spec("web", vec![at("/data")]);
    let container = &mut std::sync::Arc::make_mut(&mut over_mount.task).container;
    container.mounts.push(Mount {
        target: "/data/".to_owned(),
        access: Access::ReadWrite,
        source: MountSource::Tmpfs(TmpfsMount::default()),
    });
    assert!(file_requests::check_targets(&over_mount).is_err());
    let mode = Grant { mode: 0o4755, ..good.clone() };
    assert!(world.service("web", vec![mode]).unwrap_err().to_string().contains("4755"));
    world.service("web", vec![at("a/b"), at("/etc/app")]).unwrap();
}

#[test]
fn labels_are_all_that_changes() {
    let mut world = World::new();
    let id = world.create("app.conf", config(3)).unwrap();
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let bad = BTreeMap::from([("a b".to_owned(), String::new())]);
    assert!(set_labels(&world.state, FileKind::Config, "app.conf", bad).is_err());
    assert!(set_labels(&world.state, FileKind::Secret, "app.conf", labels.clone()).is_err());
    let changes = set_labels(&world.state, FileKind::Config, "app.conf", labels.clone()).unwrap();
    world.must(changes.clone());
    let file = lookup::file(&world.state, FileKind::Config, "app.conf").unwrap();
    assert_eq!((file.id, &file.labels, file.version), (id, &labels, Version(world.version)));
    assert_eq!(world.apply(changes), [Conflict::Outdated]);
    let same = set_labels(&world.state, FileKind::Config, "app.conf", labels).unwrap();
    assert_eq!(same, []);
}

#[test]
fn a_node_is_given_what_its_tasks_need_once_and_while_they_need_it() {
    let mut world = World::new();
    let key = found(&mut world);
    let app = world.create("app.conf", config(3)).unwrap();
    let password = world.create("password", secret(3)).unwrap();
    let (nothing, mut told) = deliveries::complete(&world.state, NODES[0]);
    assert_eq!((nothing.extent, nothing.key, nothing.put.len()), (Extent::Complete, None, 0));
    let (_, mut told_other) = deliveries::complete(&world.state, NODES[1]);

    let plain = world.service("plain", vec![grant(app, FileKind::Config, "app.conf")]).unwrap();
    world.task(plain, NODES[0]);
    let set = deliveries::difference(&world.state, NODES[0], &mut told).unwrap();
    assert_eq!((set.key, set.put[0].file), (None, app), "a config needs no key");

    let both = vec![
        grant(app, FileKind::Config, "app.conf"),
        grant(password, FileKind::Secret, "password"),
    ];
    let web = world.service("web", both).unwrap();
    let tasks = [world.task(web, NODES[0]), world.task(web, NODES[0])];
    let set = deliveries::difference(&world.state, NODES[0], &mut told).unwrap();
    assert_eq!((set.put.len(), set.put[0].file), (1, password), "what it has it is not sent again");
    assert_eq!((set.key, set.extent), (Some(key), Extent::Changes { remove: Vec::new() }));
    assert_eq!(deliveries::difference(&world.state, NODES[0], &mut told), None);
    assert_eq!(deliveries::difference(&world.state, NODES[1], &mut told_other), None);
    let (all, told_all) = deliveries::complete(&world.state, NODES[0]);
    assert_eq!((all.put.len(), &told_all), (2, &told), "a new session hears all of it");

    // One ends by itself, the other is to stop: the secret is not needed any more.
    let (task, node) = (tasks[0], NODES[0]);
    let observed = Observation::of(TaskState::Complete);
    world.must(vec![Change::ObserveTask { task, node, observed }]);
    assert_eq!(deliveries::difference(&world.state, NODES[0], &mut told), None);
    world.must(vec![Change::RaiseDesired { task: tasks[1], desired: DesiredState::Shutdown }]);
    let set = deliveries::difference(&world.state, NODES[0], &mut told).unwrap();
    assert_eq!((set.key, set.put.len()), (None, 0));
    assert_eq!(set.extent, Extent::Changes { remove: vec![password] });
}

fn found(world: &mut World) -> Secret {
    let cluster = common::cluster::Cluster {
        id: common::ClusterId(1),
        version: Version(0),
        created: Stamp::default(),
        authority: common::cluster::Authority {
            certificate_pem: String::new(),
            key_pem: Secret::default(),
        },
        worker_secret: Secret::default(),
        manager_secret: Secret::default(),
        task_history: 2,
        file_key: None,
    };
    let key = |byte| Secret::new(vec![byte; 32]);
    let make_key = |byte| Change::File(FileChange::MakeKey { key: key(byte) });
    assert_eq!(world.apply(vec![make_key(1)]), [Conflict::NoCluster]);
    world.must(vec![Change::FoundCluster(Box::new(cluster))]);
    world.must(vec![make_key(1)]);
    // Two may have asked at the same time; the first one's word holds.
    world.must(vec![make_key(2)]);
    let kept = world.state.cluster().and_then(|it| it.file_key.clone());
    assert_eq!(kept, Some(key(1)));
    key(1)
}

#[test]
fn a_service_does_not_go_back_to_a_version_that_was_removed() {
    let mut world = World::new();
    let old = world.create("a", secret(1)).expect("a secret");
    let service = world.service("web", vec![grant(old, FileKind::Secret, "a")]).expect("a service");
    let base = world.state.service(service).expect("a service").version;
    let (changes, _) =
        requests::update_service(&world.state, (service, base), spec("web", Vec::new()))
            .expect("an update");
    world.must(changes);
    assert!(requests::roll_back(&world.state, "web", None).is_ok());
    let given = [old.to_string()];
    let changes =
        file_requests::remove(&world.state, FileKind::Secret, &given).expect("nothing uses it");
    world.must(changes);
    let refused = requests::roll_back(&world.state, "web", None).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the version of secret a that version 1 of web used was removed: go back to another \
         version (`skep service history web` lists them, `skep service rollback --to` takes one), \
         or update the service"
    );
}
