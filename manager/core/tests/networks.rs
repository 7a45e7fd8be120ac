//! Networks in the core: made, deployed with stacks, replaced, and removed.

use common::container::ContainerSpec;
use common::network::{AddressPool, Attachment, NetworkSpec, Port, PortMode, Protocol};
use common::node::{Node, NodeKind, NodeSpec, Role};
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::stack::{PlannedAction, PlannedNetwork, StackSpec};
use common::update::UpdateState;
use common::{IdGen, Name, NetworkId, NodeId, Stamp, Version};
use manager_core::change::{Batch, Change, Conflict, NetworkChange, Unity};
use manager_core::draft::Draft;
use manager_core::planner::{CREATED_PER_PLAN_MAX, Planner};
use manager_core::requests;
use manager_core::soft::Soft;
use manager_core::stacks::{self, Deployment};
use manager_core::state::State;
use manager_core::{invariants, lookup, network_requests};
use std::collections::BTreeMap;
use std::sync::Arc;

struct World {
    state: State,
    ids: IdGen,
    version: u64,
}

impl World {
    fn new() -> World {
        let mut world = World { state: State::default(), ids: IdGen::from_seed(1), version: 0 };
        let seat = (([192, 168, 1, 10], 7373).into(), NodeKind::Full);
        let node = Node::joining(NodeId(1), name("n1"), NodeSpec::of_role(Role::Worker), seat);
        world.must(vec![Change::AddNode(Box::new(node))]);
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

    fn create(&mut self, spec: NetworkSpec) -> Result<NetworkId, String> {
        let created = network_requests::create(&self.state, spec, &mut self.ids);
        let (id, changes) = created.map_err(|it| it.to_string())?;
        self.must(changes);
        Ok(id)
    }

    fn remove(&mut self, given: &str) -> Result<(), String> {
        let changes = network_requests::remove(&self.state, &[given.to_owned()]);
        self.must(changes.map_err(|it| it.to_string())?);
        Ok(())
    }

    fn service(&mut self, spec: ServiceSpec) -> Result<(), String> {
        let created = requests::create_service(&self.state, spec, &mut self.ids);
        self.must(created.map_err(|it| it.to_string())?.changes);
        Ok(())
    }

    fn deploy(
        &mut self,
        stack: &str,
        services: Vec<ServiceSpec>,
        networks: Vec<NetworkSpec>,
    ) -> Result<Deployment, String> {
        let wish = StackSpec {
            name: name(stack),
            services: services.into_iter().map(|it| of_stack(stack, it)).collect(),
            files: Vec::new(),
            networks: networks
                .into_iter()
                .map(|it| NetworkSpec { stack: Some(name(stack)), ..it })
                .collect(),
            prune: true,
            is_partial: false,
        };
        let deployment = stacks::deploy(&self.state, wish, &mut self.ids);
        let deployment = deployment.map_err(|it| it.to_string())?;
        self.must(deployment.changes.clone());
        Ok(deployment)
    }

    /// Until there is nothing more to do; without tasks' reports.
    fn settle(&mut self) {
        let mut planner = Planner::new(CREATED_PER_PLAN_MAX);
        for _ in 0..20 {
            planner.on_event(&self.state, manager_core::change::Event::Resync);
            let soft = Soft::default();
            let draft = Draft::new(&self.state, &soft, Stamp::default(), &mut self.ids);
            let plan = planner.plan(draft);
            if plan.changes.is_empty() {
                return;
            }
            self.must(plan.changes);
        }
        panic!("it does not come to an end");
    }

    fn names(&self) -> Vec<&str> {
        self.state.networks().map(|it| it.spec.name.as_str()).collect()
    }
}

fn of_stack(stack: &str, spec: ServiceSpec) -> ServiceSpec {
    ServiceSpec { stack: Some(name(stack)), ..spec }
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn network(text: &str, subnets: &[&str]) -> NetworkSpec {
    NetworkSpec {
        pools: subnets.iter().map(|it| pool(it)).collect(),
        ..NetworkSpec::new(name(text))
    }
}

fn pool(subnet: &str) -> AddressPool {
    let (range, gateway) = (None, None);
    AddressPool {
        subnet: subnet.parse().expect("a subnet"),
        range,
        gateway,
        taken: BTreeMap::new(),
    }
}

fn service(text: &str, networks: &[&str]) -> ServiceSpec {
    let container = ContainerSpec::of_image("web:1".parse().expect("an image"));
    let mut task = TaskSpec::of_container(container);
    task.networks = networks.iter().map(|it| ((*it).to_owned(), Attachment::default())).collect();
    ServiceSpec::new(name(text), Mode::Replicated { replicas: 1 }, task)
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let mut world = World::new();
    world.create(network("back", &["10.1.0.0/16"])).expect("a network");
    let with = |edit: fn(&mut NetworkSpec)| {
        let mut spec = network("front", &["10.2.0.0/16"]);
        edit(&mut spec);
        spec
    };
    let cases: [(NetworkSpec, &str); 11] = [
        (network("back", &[]), "a network named back exists already"),
        (network("host", &[]), "every engine has a network `host` of its own"),
        (network("front", &["10.1.9.0/24"]), "the network back has 10.1.0.0/16 already"),
        (network("front", &["10.0.0.0/8"]), "the network back has 10.1.0.0/16 already"),
        (network("front", &["10.2.0.0/16", "10.2.5.0/24"]), "overlap each other"),
        (network("front", &["192.168.0.0/16"]), "holds 192.168.1.10, the address of node n1"),
        (network("front", &["10.2.0.0/31"]), "has no room for tasks"),
        (network("front", &["127.0.0.0/8"]), "no addresses that tasks can have"),
        (network("front", &["fd00::/64"]), "needs IPv6"),
        (
            with(|it| it.pools[0].gateway = Some([10, 3, 0, 1].into())),
            "gateway: 10.3.0.1 is not in",
        ),
        (
            with(|it| it.pools[0].range = "10.0.0.0/8".parse().ok()),
            "the range 10.0.0.0/8 is not in 10.2.0.0/16",
        ),
    ];
    for (spec, words) in cases {
        let shown = format!("{spec:?}");
        let said = world.create(spec).expect_err(&shown);
        assert!(said.contains(words), "{shown}: {said}");
    }
    world.create(with(|it| it.pools[0].gateway = Some([10, 2, 0, 1].into()))).expect("a network");
}

#[test]
fn what_is_in_use_stays() {
    let mut world = World::new();
    let said = world.service(service("web", &["back"])).expect_err("there is no network");
    assert!(said.contains("make it with `skep network create back`"), "{said}");
    let id = world.create(network("back", &[])).expect("a network");
    world.create(network("idle", &[])).expect("a network");
    world.service(service("web", &["back"])).expect("a service");
    let found = &world.state.service_named("web").expect("a service").spec.task.networks["back"];
    assert_eq!(found.network, Some(id));
    let said = world.remove("back").expect_err("it is in use");
    assert!(said.contains("network back is in use by web"), "{said}");
    let (names, changes) = network_requests::prune(&world.state);
    assert_eq!(names, [name("idle")]);
    world.must(changes);
    let service = world.state.service_named("web").expect("a service");
    let mut spec = service.spec.clone();
    Arc::make_mut(&mut spec.task).networks.clear();
    let looked_at = (service.id, service.version);
    let (changes, _) = requests::update_service(&world.state, looked_at, spec).expect("an update");
    world.must(changes);
    world.remove("back").expect("nobody uses it");
    assert!(lookup::network(&world.state, "back").is_err());
    // Its former specification names what is gone.
    let (_, _, change) = requests::roll_back(&world.state, "web", None).expect("a former version");
    assert_eq!(world.apply(vec![change]), [Conflict::NoSuchNetwork(id)]);
}

#[test]
fn a_stack_brings_its_networks_and_takes_them_along() {
    let mut world = World::new();
    let web = || service("shop_web", &["shop_back"]);
    let deployed = world.deploy("shop", vec![web()], vec![network("shop_back", &["10.1.0.0/16"])]);
    let deployed = deployed.expect("it fits");
    assert!(matches!(deployed.networks[0].action, PlannedNetwork::Create { .. }));
    world.settle();
    assert_eq!(world.names(), ["shop_back"]);
    let again = world.deploy("shop", vec![web()], vec![network("shop_back", &["10.1.0.0/16"])]);
    assert_eq!(again.expect("it fits").changes, []);
    let said = world.deploy("blog", vec![], vec![network("shop_back", &[])]).expect_err("taken");
    assert!(said.contains("belongs to the stack shop"), "{said}");
    let said = world.deploy("blog", vec![service("blog_web", &["outer"])], vec![]);
    let said = said.expect_err("there is no such network");
    assert!(said.contains("blog_web: there is no network outer"), "{said}");
    world.deploy("blog", vec![service("blog_web", &["shop_back"])], vec![]).expect("it fits");
    for (stack, left) in [("shop", &["shop_back"][..]), ("blog", &[])] {
        world.must(stacks::remove(&world.state, &[stack.to_owned()]).expect("a stack"));
        world.settle();
        assert_eq!(world.names(), left, "after {stack}");
    }
}

#[test]
fn other_settings_make_another_network_to_which_tasks_move() {
    let mut world = World::new();
    let web = || service("shop_web", &["shop_back"]);
    let back = |subnet: &str| network("shop_back", &[subnet]);
    world.deploy("shop", vec![web()], vec![back("10.1.0.0/16")]).expect("it fits");
    world.service(service("other", &["shop_back"])).expect("a service");
    world.settle();
    let old = world.state.network_named("shop_back").expect("it is there").id;

    let labelled =
        NetworkSpec { labels: [("a".to_owned(), "b".to_owned())].into(), ..back("10.1.0.0/16") };
    let deployed = world.deploy("shop", vec![web()], vec![labelled]).expect("it fits");
    assert!(matches!(deployed.networks[0].action, PlannedNetwork::Update { .. }));
    assert_eq!(world.state.network_named("shop_back").expect("it is there").id, old);

    let deployed = world.deploy("shop", vec![web()], vec![back("10.2.0.0/16")]).expect("it fits");
    assert!(matches!(deployed.networks[0].action, PlannedNetwork::Replace { .. }));
    let expected = "network shop_back becomes another one, and other stay on the old one until \
                    they are deployed or updated as well";
    assert_eq!(deployed.warnings, [expected]);
    let new = world.state.network_named("shop_back").expect("it is there").id;
    assert_ne!(new, old);
    let service = world.state.service_named("shop_web").expect("a service");
    assert_eq!(service.spec.task.networks["shop_back"].network, Some(new));
    world.settle();
    // Something is on the old one, and may go back to it.
    assert_eq!(world.names().len(), 2);
    let said = world.create(network("third", &["10.1.0.0/16"])).expect_err("taken");
    assert!(said.contains("the network shop_back has 10.1.0.0/16 already"), "{said}");
}

#[test]
fn two_at_once_do_not_share_addresses() {
    let mut world = World::new();
    let create = |id: u64, text: &str, subnet: &str| {
        let spec = Box::new(network(text, &[subnet]));
        Change::Network(NetworkChange::Create { id: NetworkId(id), spec })
    };
    world.must(vec![create(1, "a", "10.1.0.0/16")]);
    let subnet = "10.1.0.0/16".parse().expect("a subnet");
    let expected = Conflict::SubnetTaken { name: name("b"), subnet, owner: name("a") };
    assert_eq!(world.apply(vec![create(2, "b", "10.1.0.0/24")]), [expected]);
    assert_eq!(
        world.apply(vec![create(2, "a", "10.2.0.0/24")]),
        [Conflict::NetworkNameTaken(name("a"))]
    );
}

fn published(text: &str, ports: &[(u16, PortMode)]) -> ServiceSpec {
    let port = |(published, mode): &(u16, PortMode)| Port {
        target: 80,
        published: Some(*published),
        protocol: Protocol::Tcp,
        mode: *mode,
        host_ip: None,
    };
    ServiceSpec { ports: ports.iter().map(port).collect(), ..service(text, &[]) }
}

#[test]
fn a_port_of_all_nodes_is_one_services() {
    use PortMode::{Host, Ingress};
    let mut world = World::new();
    let a = || published("shop_a", &[(80, Ingress)]);
    world.deploy("shop", vec![a(), service("shop_b", &[])], vec![]).expect("it fits");
    let b = published("shop_b", &[(80, Ingress)]);
    let said = world.deploy("shop", vec![a(), b.clone()], vec![]).expect_err("both want it");
    let expected = "shop_b: port 80/tcp is published by shop_a already; publish another one, or \
                    take it away from there first";
    assert_eq!(said, expected);
    world.service(published("own", &[(80, Host), (81, Ingress)])).expect("its nodes' own port");
    world.deploy("shop", vec![b, service("shop_a", &[])], vec![]).expect("it moves");
    let created = requests::create_service(&world.state, a(), &mut world.ids);
    assert!(created.is_err(), "the name is taken");
    let other = published("other", &[(80, Ingress)]);
    let created = requests::create_service(&world.state, other, &mut world.ids).expect("it fits");
    let (protocol, owner) = (Protocol::Tcp, name("shop_b"));
    let expected = Conflict::PortTaken { name: name("other"), port: 80, protocol, owner };
    assert_eq!(world.apply(created.changes), [expected]);
}

#[test]
fn a_paused_update_goes_on_when_the_same_is_deployed_again() {
    let mut world = World::new();
    let web = |image: &str| {
        let mut spec = service("shop_web", &[]);
        Arc::make_mut(&mut spec.task).container.image = image.parse().expect("an image");
        spec
    };
    world.deploy("shop", vec![web("web:1")], vec![]).expect("it fits");
    world.deploy("shop", vec![web("web:2")], vec![]).expect("it fits");
    let found = world.state.service_named("shop_web").expect("a service").clone();
    let (service, number, state) = (found.id, found.number, UpdateState::Paused);
    world.must(vec![Change::SetUpdateState { service, number, state, trouble: None }]);
    let deployed = world.deploy("shop", vec![web("web:2")], vec![]).expect("it fits");
    assert_eq!(deployed.services[0].action, PlannedAction::Keep);
    assert_eq!(deployed.warnings, ["shop_web: its paused update goes on"]);
    let found = world.state.service_named("shop_web").expect("a service");
    let update = found.update.as_ref().expect("an update");
    assert_eq!((update.state, found.number), (UpdateState::Updating, number));
}
