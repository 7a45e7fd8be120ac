//! What the cluster is asked for, as far as it differs from a service with nothing but an image.

use crate::door::{Memory, request};
use crate::{keys, stacks};
use common::container::ContainerSpec;
use common::file::FileKind;
use common::network::NetworkSpec;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::{FileId, Name, NodeId};
use compose::spec::{self, Around, Specs};
use compose::{Loaded, Problems, Request, Strictness};
use expect_test::{Expect, expect, expect_file};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

const NODE: NodeId = NodeId(7);

type Files = BTreeMap<(FileKind, String), (FileId, Name)>;

fn files(loaded: &Loaded) -> Result<Files, Problems> {
    let files = spec::files(loaded)?.into_iter().zip(1..);
    Ok(files.map(|(it, id)| ((it.kind, it.key), (FileId(id), it.name))).collect())
}

pub(super) fn specs(loaded: &Loaded) -> Result<Specs, Problems> {
    spec::services(loaded, &Around { node: Some(NODE), files: &files(loaded)? })
}

/// `path = value` for everything in it.
fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, lines);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => lines.push(format!("{path} = {value}")),
    }
}

fn lines(spec: &ServiceSpec) -> Vec<String> {
    let mut lines = Vec::new();
    flatten("", &serde_json::to_value(spec).expect("a specification is data"), &mut lines);
    lines
}

fn nothing_but_an_image(spec: &ServiceSpec) -> ServiceSpec {
    let container = ContainerSpec::of_image(spec.task.container.image.clone());
    let task = TaskSpec::of_container(container);
    ServiceSpec::new(spec.name.clone(), Mode::Replicated { replicas: 1 }, task)
}

fn differences(spec: &ServiceSpec) -> Vec<String> {
    let plain = lines(&nothing_but_an_image(spec));
    lines(spec).into_iter().filter(|line| !plain.contains(line)).collect()
}

fn network_differences(network: NetworkSpec) -> Vec<String> {
    let lines = |spec: &NetworkSpec| {
        let mut lines = Vec::new();
        flatten("", &serde_json::to_value(spec).expect("it is data"), &mut lines);
        lines
    };
    let plain = lines(&NetworkSpec::new(network.name.clone()));
    lines(&network).into_iter().filter(|it| !plain.contains(it)).collect()
}

pub(super) fn shown(outcome: Result<Specs, Problems>) -> String {
    let Specs { services, networks, warnings } = match outcome {
        Ok(specs) => specs,
        Err(problems) => return format!("{problems}\n"),
    };
    let mut text = String::new();
    for spec in services {
        writeln!(text, "{} of {}", spec.name, spec.task.container.image).expect("text");
        for line in differences(&spec) {
            writeln!(text, "  {line}").expect("text");
        }
    }
    for network in networks {
        writeln!(text, "network {}", network.name).expect("text");
        for line in network_differences(network) {
            writeln!(text, "  {line}").expect("text");
        }
    }
    for warning in warnings {
        writeln!(text, "warning: {warning}").expect("text");
    }
    text
}

#[test]
fn examples() {
    let of = |name| shown(stacks::load(name).1.and_then(|loaded| specs(&loaded)));
    expect_file!["../stacks/assignment.specs"].assert_eq(&of("assignment.yml"));
    expect_file!["../stacks/counter.specs"].assert_eq(&of("counter.yml"));
    expect_file!["../stacks/monitoring.specs"].assert_eq(&of("monitoring.yml"));
    expect_file!["../stacks/shop.specs"].assert_eq(&of("shop.yml"));
    expect_file!["../stacks/survey.specs"].assert_eq(&of("survey.yml"));
    expect_file!["../stacks/workshop.specs"].assert_eq(&of("workshop.yml"));
}

/// What no key of a compose file says, or nothing but the presence of a network; and what goes not
/// with the rest.
const UNSAID: [&str; 5] =
    ["name", "task.container.image", "task.container.network", "task.force", "task.at_most_one"];

fn is_unsaid(line: &str) -> bool {
    let path = line.split(" = ").next().unwrap_or_default();
    // The durations of that file are whole seconds.
    UNSAID.contains(&path) || path.ends_with(".nanos") || path.contains(".progress_deadline.")
}

/// Every field of a service about which everything is said is another than its default.
#[test]
fn nothing_is_lost() {
    let loaded = keys::load_everything(keys::EVERYTHING).expect("the file with everything loads");
    let specs = specs(&loaded).expect("it fits");
    let web = specs.services.iter().find(|it| it.name.as_str() == "all_web").expect("it is there");
    let full = lines(web);
    let lost: Vec<String> = lines(&nothing_but_an_image(web))
        .into_iter()
        .filter(|line| full.contains(line) && !is_unsaid(line))
        .collect();
    assert!(lost.is_empty(), "as if nothing had been said: {lost:#?}");
    expect_file!["../everything.specs"].assert_eq(&shown(Ok(specs)));
}

pub(super) fn loaded(text: &str, change: impl Fn(&mut Request)) -> Loaded {
    let mut request = request(&["compose.yml"]);
    change(&mut request);
    compose::load(&request, &Memory::of(&[("compose.yml", text)]))
        .unwrap_or_else(|problems| panic!("{text}: {problems}"))
}

fn with(case: &str) -> Result<Specs, Problems> {
    let text = format!(
        "services:\n  a:\n    image: a\n    {case}\n  b: {{image: b}}\nvolumes:\n  data:\n  own: \
         {{name: mine, driver: nfs, driver_opts: {{o: x}}, labels: {{l: m}}}}\n  there: {{external: \
         true}}\nconfigs: {{c: {{content: c}}, d: {{external: true}}}}\nsecrets: {{s: {{content: s, \
         name: other}}}}\nnetworks: {{n: , out: {{external: true}}}}\n"
    );
    specs(&loaded(&text, |_| {}))
}

/// Each case is added to a service with an image: what differs because of it.
#[track_caller]
pub(super) fn check(cases: &[&str], expected: Expect) {
    let plain = lines(&with("").expect("there is little to it").services[0]);
    let mut found = String::new();
    for case in cases {
        let lines: String = match with(case) {
            Ok(Specs { services, warnings, .. }) => {
                let lines = lines(&services[0]).into_iter().filter(|it| !plain.contains(it));
                // What is said of no place is said of every deployment.
                let warnings = warnings.iter().filter(|it| it.at.is_some());
                let warnings = warnings.map(|it| format!("warning: {it}"));
                lines.chain(warnings).map(|it| format!("  {it}\n")).collect()
            }
            Err(problems) => format!("  error: {problems}\n"),
        };
        found += &format!("{case}\n{lines}");
    }
    expected.assert_eq(&found);
}

#[test]
fn modes_and_policies() {
    check(
        &[
            "deploy: {replicas: 0}",
            "deploy: {mode: global}",
            "deploy: {mode: global-job}",
            "deploy: {mode: replicated-job, replicas: 3}",
            "deploy: {mode: replicated-job, restart_policy: {condition: any, delay: 1s}}",
            "restart: 'no'",
            "deploy: {restart_policy: {window: 10s}}",
            "deploy: {update_config: {parallelism: 0, max_failure_ratio: 0.15}}",
            "deploy: {update_config: {parallelism: 99999999999}}",
            "deploy: {rollback_config: {order: start-first, failure_action: continue}}",
            "mem_limit: 64m\n    deploy: {resources: {reservations: {cpus: 0.5}}}",
        ],
        expect![[r#"
            deploy: {replicas: 0}
              mode.Replicated.replicas = 0
            deploy: {mode: global}
              mode = "Global"
            deploy: {mode: global-job}
              mode = "GlobalJob"
              task.restart.condition = "OnFailure"
            deploy: {mode: replicated-job, replicas: 3}
              mode.ReplicatedJob.completions = 3
              mode.ReplicatedJob.concurrent_max = 0
              task.restart.condition = "OnFailure"
            deploy: {mode: replicated-job, restart_policy: {condition: any, delay: 1s}}
              mode.ReplicatedJob.completions = 1
              mode.ReplicatedJob.concurrent_max = 0
              task.restart.delay.secs = 1
            restart: 'no'
              task.restart.condition = "Never"
            deploy: {restart_policy: {window: 10s}}
              task.restart.window.secs = 10
            deploy: {update_config: {parallelism: 0, max_failure_ratio: 0.15}}
              update.failure_ratio_max = 150000
              update.parallelism = 0
            deploy: {update_config: {parallelism: 99999999999}}
              update.parallelism = 4294967295
            deploy: {rollback_config: {order: start-first, failure_action: continue}}
              rollback.on_failure = "Continue"
              rollback.order = "StartFirst"
            mem_limit: 64m
                deploy: {resources: {reservations: {cpus: 0.5}}}
              task.limits.memory_bytes = 67108864
              task.reservations.cpu_nanos = 500000000
        "#]],
    );
}

#[test]
fn what_must_not_run_twice_does_not_start_first() {
    let text = "services:\n  a:\n    image: a\n    x-at-most-one: true\n    deploy:\n      \
                update_config: {order: start-first}\n      rollback_config: {order: start-first}\n";
    expect![[r#"
        compose.yml:6:23: with `x-at-most-one`, no two tasks of a slot may run at a time; choose stop-first
        compose.yml:7:25: with `x-at-most-one`, no two tasks of a slot may run at a time; choose stop-first
    "#]].assert_eq(&shown(specs(&loaded(text, |_| {}))));
}

#[test]
fn dependencies() {
    check(
        &[
            "depends_on: [b]",
            "depends_on: {b: {condition: service_healthy, required: false}}",
            "links: [b, 'b:other', a]",
            "links: [b]\n    depends_on: {b: {condition: service_completed_successfully}}",
            "network_mode: host",
            "network_mode: none",
        ],
        expect![[r#"
            depends_on: [b]
              depends_on = [{"condition":"Started","required":true,"service":"demo_b"}]
            depends_on: {b: {condition: service_healthy, required: false}}
              depends_on = [{"condition":"Healthy","required":false,"service":"demo_b"}]
            links: [b, 'b:other', a]
              depends_on = [{"condition":"Started","required":true,"service":"demo_b"}]
              task.networks.demo_default.links.a = "demo_a"
              task.networks.demo_default.links.b = "demo_b"
              task.networks.demo_default.links.other = "demo_b"
            links: [b]
                depends_on: {b: {condition: service_completed_successfully}}
              depends_on = [{"condition":"CompletedSuccessfully","required":true,"service":"demo_b"}]
              task.networks.demo_default.links.b = "demo_b"
            network_mode: host
              task.container.network = "Host"
              task.networks = {}
            network_mode: none
              task.container.network = "None"
              task.networks = {}
        "#]],
    );
}

#[test]
fn mounts() {
    check(
        &[
            "volumes: ['data:/a', 'own:/b:ro', 'there:/c', /d]",
            "volumes: ['/srv/x:/a:ro,rslave', '/var/run/docker.sock:/var/run/docker.sock']",
            "volumes: [./x:/a, '~/y:/b']",
            "volumes: [./x:/a]\n    deploy: {mode: global, placement: {constraints: [node.id==0000000000007]}}",
            "volumes: [{type: bind, source: ./x, target: /a, bind: {x-this-node: false}}]",
            "volumes: [{type: bind, source: /x, target: /a, bind: {x-this-node: true}}]",
            "tmpfs: /run:size=1m,mode=1777,noexec",
        ],
        expect![[r#"
            volumes: ['data:/a', 'own:/b:ro', 'there:/c', /d]
              task.container.mounts = [{"access":"ReadWrite","source":{"Volume":{"driver":null,"labels":{"com.docker.stack.namespace":"demo"},"name":"demo_data","nocopy":false,"options":{},"subpath":null}},"target":"/a"},{"access":"ReadOnly","source":{"Volume":{"driver":"nfs","labels":{"com.docker.stack.namespace":"demo","l":"m"},"name":"mine","nocopy":false,"options":{"o":"x"},"subpath":null}},"target":"/b"},{"access":"ReadWrite","source":{"Volume":{"driver":null,"labels":{},"name":"there","nocopy":false,"options":{},"subpath":null}},"target":"/c"},{"access":"ReadWrite","source":{"Volume":{"driver":null,"labels":{},"name":null,"nocopy":false,"options":{},"subpath":null}},"target":"/d"}]
            volumes: ['/srv/x:/a:ro,rslave', '/var/run/docker.sock:/var/run/docker.sock']
              task.container.mounts = [{"access":"ReadOnly","source":{"Bind":{"missing":"Create","path":"/srv/x","propagation":"RecursiveSlave","recursion":"Enabled"}},"target":"/a"},{"access":"ReadWrite","source":{"Bind":{"missing":"Create","path":"/var/run/docker.sock","propagation":null,"recursion":"Enabled"}},"target":"/var/run/docker.sock"}]
            volumes: [./x:/a, '~/y:/b']
              task.constraints = ["node.id==0000000000007"]
              task.container.mounts = [{"access":"ReadWrite","source":{"Bind":{"missing":"Create","path":"/srv/my stack: one/x","propagation":null,"recursion":"Enabled"}},"target":"/a"},{"access":"ReadWrite","source":{"Bind":{"missing":"Create","path":"/people/ann/y","propagation":null,"recursion":"Enabled"}},"target":"/b"}]
            volumes: [./x:/a]
                deploy: {mode: global, placement: {constraints: [node.id==0000000000007]}}
              mode = "Global"
              task.constraints = ["node.id==0000000000007"]
              task.container.mounts = [{"access":"ReadWrite","source":{"Bind":{"missing":"Create","path":"/srv/my stack: one/x","propagation":null,"recursion":"Enabled"}},"target":"/a"}]
            volumes: [{type: bind, source: ./x, target: /a, bind: {x-this-node: false}}]
              task.container.mounts = [{"access":"ReadWrite","source":{"Bind":{"missing":"Create","path":"/srv/my stack: one/x","propagation":null,"recursion":"Enabled"}},"target":"/a"}]
            volumes: [{type: bind, source: /x, target: /a, bind: {x-this-node: true}}]
              task.constraints = ["node.id==0000000000007"]
              task.container.mounts = [{"access":"ReadWrite","source":{"Bind":{"missing":"Create","path":"/x","propagation":null,"recursion":"Enabled"}},"target":"/a"}]
            tmpfs: /run:size=1m,mode=1777,noexec
              task.container.mounts = [{"access":"ReadWrite","source":{"Tmpfs":{"mode":1023,"options":["noexec"],"size_bytes":1048576}},"target":"/run"}]
        "#]],
    );
}

#[test]
fn grants() {
    check(
        &[
            "configs: [c, {source: d, target: /etc/d, mode: 0400}]",
            "secrets: [s, {source: s, target: t, uid: '5', gid: '6'}]",
            "secrets: [{source: s, uid: root}]",
        ],
        expect![[r#"
            configs: [c, {source: d, target: /etc/d, mode: 0400}]
              task.container.grants = [{"file":1,"gid":0,"kind":"Config","mode":292,"name":"demo_c","target":"/c","uid":0},{"file":2,"gid":0,"kind":"Config","mode":256,"name":"d","target":"/etc/d","uid":0}]
            secrets: [s, {source: s, target: t, uid: '5', gid: '6'}]
              task.container.grants = [{"file":1,"gid":0,"kind":"Secret","mode":292,"name":"other","target":"s","uid":0},{"file":1,"gid":6,"kind":"Secret","mode":292,"name":"other","target":"t","uid":5}]
            secrets: [{source: s, uid: root}]
              error: compose.yml:4:27: `uid` wants a number, not `root`
        "#]],
    );
}

#[test]
fn what_else_is_reserved() {
    check(
        &[
            "gpus: all",
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 2}]}}}",
            "deploy: {resources: {reservations: {generic_resources: \
             [{discrete_resource_spec: {kind: gpu, value: 2}}]}}}",
        ],
        expect![[r#"
            gpus: all
              task.container.kernel.device_requests = [{"capabilities":["gpu"],"choice":"All","driver":null,"options":{}}]
            deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 2}]}}}
              task.container.kernel.device_requests = [{"capabilities":["gpu"],"choice":{"Count":2},"driver":null,"options":{}}]
            deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}}}
              task.generic.gpu = 2
        "#]],
    );
}

#[test]
fn what_is_not_done_is_told() {
    let text = "services: {a: {image: a, networks: [n]}}\nnetworks: {n: {driver: bridge}}\n";
    let strict = loaded(text, |it| it.strictness = Strictness::Strict);
    expect![[r#"
        ports and networks are kept, and not served yet
        compose.yml:2:16: `driver: bridge` is ignored: the network spans all nodes, as `overlay` says
    "#]].assert_eq(&shown(specs(&strict)));
    let text = "services: {a: {image: a, volumes: ['v:/v']}}\nvolumes:\n  v:\n    \
                x-volume-policy: strict\n";
    expect![[r#"
        demo_a of a
          labels.com.docker.stack.image = "a"
          labels.com.docker.stack.namespace = "demo"
          stack = "demo"
          task.container.labels.com.docker.stack.namespace = "demo"
          task.container.mounts = [{"access":"ReadWrite","source":{"Volume":{"driver":null,"labels":{"com.docker.stack.namespace":"demo"},"name":"demo_v","nocopy":false,"options":{},"subpath":null}},"target":"/v"}]
          task.networks.demo_default.aliases = ["a"]
          task.networks.demo_default.driver_options = {}
          task.networks.demo_default.ipv4_address = null
          task.networks.demo_default.ipv6_address = null
          task.networks.demo_default.links = {}
          task.networks.demo_default.priority = 0
          task.volume_policies.demo_v = "Strict"
        network demo_default
          labels.com.docker.stack.namespace = "demo"
          stack = "demo"
    "#]].assert_eq(&shown(specs(&loaded(text, |_| {}))));
}

#[test]
fn names_that_do_not_fit() {
    let long = "x".repeat(60);
    let text = format!(
        "services:\n  {long}:\n    image: a\n    volumes: ['v:/v', 'w:/w']\n    \
         configs: [c]\n    secrets: [s]\n  b: {{image: b, depends_on: [{long}]}}\nvolumes:\n  v:\n    \
         name: a/b\n  w: {{external: {{name: x}}}}\nconfigs:\n  c:\n    name: c d\n    content: c\n\
         secrets: {{s: {{file: s, name: -s}}}}\n"
    );
    let loaded = loaded(&text, |_| {});
    expect![[r#"
        compose.yml:14:5: `c d` is not a config's name: only letters, digits, `-`, `_` and `.` may be in it
        compose.yml:16:24: `-s` is not a secret's name: it must begin and end with a letter or a digit"#]].assert_eq(&spec::files(&loaded).expect_err("they do not fit").to_string());
    let around = Around { node: None, files: &Files::new() };
    expect![[r#"
        compose.yml:2:3: `demo_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is not a service's name: it is longer than 63 characters
        compose.yml:5:15: config `c` is not in the cluster, nor made with the stack
        compose.yml:6:15: secret `s` is not in the cluster, nor made with the stack
        compose.yml:10:5: `a/b` is not the name of a volume; there may be letters, digits, `_`, `.` and `-` in it, two at least
        compose.yml:11:3: `x` is not the name of a volume; there may be letters, digits, `_`, `.` and `-` in it, two at least
    "#]].assert_eq(&shown(spec::services(&loaded, &around)));
}

#[test]
fn placeholders_are_left_to_the_node() {
    let service = "services:\n  a:\n    image: a\n    hostname: '{{.Node.Hostname}}'\n    \
                   environment:\n      - 'ZONE={{index .Service.Labels \"zone\"}}'\n    \
                   volumes: ['/srv/{{.Task.Slot}}:/s', 'v:/v']\nvolumes:\n  v:\n    \
                   name: 'data-{{.Task.Slot}}'\n";
    let plain = specs(&loaded(service, |_| {})).expect("nothing is wrong");
    let lines = lines(&plain.services[0]).into_iter().filter(|it| it.contains("{{"));
    expect![[r#"
        task.container.env = ["ZONE={{index .Service.Labels \"zone\"}}"]
        task.container.hostname = "{{.Node.Hostname}}"
        task.container.mounts = [{"access":"ReadWrite","source":{"Bind":{"missing":"Create","path":"/srv/{{.Task.Slot}}","propagation":null,"recursion":"Enabled"}},"target":"/s"},{"access":"ReadWrite","source":{"Volume":{"driver":null,"labels":{"com.docker.stack.namespace":"demo"},"name":"data-{{.Task.Slot}}","nocopy":false,"options":{},"subpath":null}},"target":"/v"}]"#]].assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    let held = format!("{service}    x-volume-policy: strict\n");
    expect![[r#"
        compose.yml:11:5: `data-{{.Task.Slot}}` has placeholders, and holds no task to its node; take them out of the name, or say `x-volume-policy: none`
    "#]].assert_eq(&shown(specs(&loaded(&held, |_| {}))));
    let free = format!("{service}    x-volume-policy: none\n");
    assert!(specs(&loaded(&free, |_| {})).is_ok());
}

#[test]
fn away_from_the_cluster_a_relative_path_means_nothing() {
    let text = "services:\n  a:\n    image: a\n    volumes:\n      - /x:/x\n      - ./y:/y\n      \
                - type: bind\n        target: /z\n        source: ~/z\n";
    let around = Around { node: None, files: &Files::new() };
    expect![[r#"
        compose.yml:6:9: `/srv/my stack: one/y` is a folder of this machine, which is no node of the cluster; make it a config, or give an absolute path that every node has
        compose.yml:9:9: `/people/ann/z` is a folder of this machine, which is no node of the cluster; make it a config, or give an absolute path that every node has
    "#]].assert_eq(&shown(spec::services(&loaded(text, |_| {}), &around)));
}

#[test]
fn files_of_a_stack() {
    let text = "services: {a: {image: a, configs: [c, d, e], secrets: [s, t]}}\n\
                configs: {c: {content: x}, d: {external: {name: there}}, \
                e: {file: ./e, labels: {a: b}}, unused: {file: u}}\n\
                secrets: {s: {environment: TAG}, t: {file: t, name: own}}\n";
    let files = spec::files(&loaded(text, |_| {})).expect("they fit");
    let lines: Vec<String> = files.iter().map(|it| format!("{it:?}\n")).collect();
    expect![[r#"
        DeclaredFile { kind: Config, key: "c", name: Name("demo_c"), labels: {"com.docker.stack.namespace": "demo"}, content: Some(Inline(Secret(…))) }
        DeclaredFile { kind: Config, key: "d", name: Name("there"), labels: {}, content: None }
        DeclaredFile { kind: Config, key: "e", name: Name("demo_e"), labels: {"a": "b", "com.docker.stack.namespace": "demo"}, content: Some(File("/srv/my stack: one/e")) }
        DeclaredFile { kind: Secret, key: "s", name: Name("demo_s"), labels: {"com.docker.stack.namespace": "demo"}, content: Some(Environment { variable: "TAG", value: Secret(…) }) }
        DeclaredFile { kind: Secret, key: "t", name: Name("own"), labels: {"com.docker.stack.namespace": "demo"}, content: Some(File("/srv/my stack: one/t")) }
    "#]].assert_eq(&lines.concat());
}
