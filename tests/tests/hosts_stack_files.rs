//! Compose files as people write them, deployed as they stand on real hosts. Images of the names in
//! them are made here, from one program that does what each name says.

use integration::cluster::{SOON, containers, form, rows, running, tasks, text};
use integration::hosts::{Host, Lab};
use integration::images::{Image, testbox, testbox_at};
use serde_json::Value;

const FILES: [(&str, &str); 7] = [
    ("shop.yml", include_str!("../../manager/compose/tests/stacks/shop.yml")),
    ("assignment.yml", include_str!("../../manager/compose/tests/stacks/assignment.yml")),
    ("assignment.env", include_str!("../../manager/compose/tests/stacks/assignment.env")),
    ("survey.yml", include_str!("../../manager/compose/tests/stacks/survey.yml")),
    ("monitoring.yml", include_str!("../../manager/compose/tests/stacks/monitoring.yml")),
    ("counter.yml", include_str!("../../manager/compose/tests/stacks/counter.yml")),
    ("workshop.yml", include_str!("../../manager/compose/tests/stacks/workshop.yml")),
];
/// Where people keep them.
const FOLDER: &str = "/root/stacks";
const PASSWORD: &str = "SHOP_DB_PASSWORD=hunter2";

fn images() -> Vec<Image> {
    let program = |name: &str, command: &[&str]| testbox(name).command(command);
    vec![
        testbox_at("shop/app:1", "/app"),
        testbox("demo/notifications-service:latest").entrypoint(&["/testbox", "http", "3000"]),
        testbox("demo/requestor:latest").entrypoint(&["/testbox", "request"]),
        program("survey-app:latest", &["http", "5000"]),
        program("postgres:latest", &["store"]),
        program("demo/cadvisor:latest", &["http", "8080"]),
        program("demo/prometheus:latest", &["http", "9090"]),
        program("redis:alpine", &["http", "6379"]),
        program("stackdemo:latest", &["http", "8000"]),
        program("producer:latest", &["http", "5000"]),
        program("consumer:latest", &["sleep"]),
    ]
}

/// What is typed at the second host, which is not where the leader is.
fn deploy(lab: &Lab, stack: &str, flags: &[&str]) -> String {
    let program = integration::hosts::binary("skep").display().to_string();
    let file = format!("{FOLDER}/{stack}.yml");
    let words = ["env", PASSWORD, &program, "stack", "deploy", "-c", &file];
    let output = lab.host(2).run(&[&words[..], flags, &[stack]].concat());
    let said = format!("{}{}", output.stderr, output.clone().ok());
    assert!(said.contains(&format!("Stack {stack} converged")), "{said}");
    said
}

fn replicas(host: &Host, stack: &str) -> Vec<[String; 3]> {
    let row = |it: &Value| ["Name", "Mode", "Replicas"].map(|key| text(it, key).to_owned());
    rows(host, &["stack", "services", stack]).iter().map(row).collect()
}

#[track_caller]
fn expect_replicas(host: &Host, stack: &str, expected: &[[&str; 3]]) {
    let expected: Vec<[String; 3]> =
        expected.iter().map(|it| it.map(|word| word.to_owned())).collect();
    assert_eq!(replicas(host, stack), expected);
}

fn inside(host: &Host, service: &str, command: &[&str]) -> String {
    let container = containers(host, service).pop().expect("it runs there");
    host.docker(&[&["exec", &container][..], command].concat()).ok()
}

fn host_of<'a>(lab: &'a Lab, service: &str) -> &'a Host {
    let found = lab.hosts().find(|it| !containers(it, service).is_empty());
    found.unwrap_or_else(|| panic!("{service} runs nowhere"))
}

/// Names of the tasks of a service that run, in order.
fn names(host: &Host, service: &str) -> Vec<String> {
    let mut names: Vec<String> =
        running(host, service).iter().map(|it| text(it, "Name").to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn hosts_run_stacks_of_others_as_they_stand() {
    let lab = Lab::new("files", 3);
    form(&lab, 3);
    for image in images() {
        lab.load_image(&image.archive());
    }
    for (name, content) in FILES {
        lab.host(2).write_file(&format!("{FOLDER}/{name}"), content.as_bytes());
    }
    shop(&lab);
    assignment(&lab);
    survey(&lab);
    monitoring(&lab);
    counter_and_workshop(&lab);
    people_see(&lab);
    again_it_is_the_same(&lab);
    all_of_it_goes(&lab);
}

fn shop(lab: &Lab) {
    let host = lab.host(1);
    deploy(lab, "shop", &[]);
    expect_replicas(
        host,
        "shop",
        &[
            ["shop_bus", "replicated", "1/1"],
            ["shop_comments", "replicated", "2/2"],
            ["shop_migrate", "replicated job", "0/1 (1/1 completed)"],
            ["shop_posts", "replicated", "3/3"],
            ["shop_store", "replicated", "1/1"],
        ],
    );
    assert_eq!(names(host, "shop_posts"), ["shop_posts.1", "shop_posts.2", "shop_posts.3"]);
    let said = host.skep(&["service", "logs", "--raw", "shop_migrate"]).ok();
    assert_eq!(said, "migrates with a password of 400 1000:0");
    let said = host.skep(&["service", "logs", "--raw", "shop_store"]).ok();
    assert_eq!(said, "0 rows");

    let store = host_of(lab, "shop_store");
    let see = |words: &[&str]| inside(store, "shop_store", &[&["/app"][..], words].concat());
    assert_eq!(see(&["stat", "/run/secrets/db_password"]), "444 0:0");
    assert_eq!(see(&["cat", "/run/secrets/db_password"]), "hunter2");
    let mounts = see(&["cat", "/proc/mounts"]);
    let tmp = mounts.lines().find(|it| it.contains(" /tmp tmpfs ")).expect("a tmpfs");
    assert!(tmp.contains("size=16384k"), "{tmp}");
    let volume = store.docker(&["volume", "inspect", "-f", "{{json .Labels}}", "shop_data"]).ok();
    let volume: Value = serde_json::from_str(&volume).expect("JSON");
    assert_eq!(volume["keep"], "yes");
    assert_eq!(volume["com.docker.stack.namespace"], "shop");
    // What becomes of it is looked at when the other stacks run.
    let lost = host_of(lab, "shop_comments");
    let container = containers(lost, "shop_comments").pop().expect("it runs there");
    lost.docker(&["rm", "-f", &container]).ok();
}

fn assignment(lab: &Lab) {
    let variables = format!("{FOLDER}/assignment.env");
    deploy(lab, "assignment", &["--env-file", &variables]);
    expect_replicas(
        lab.host(1),
        "assignment",
        &[
            ["assignment_notifications-service", "replicated", "1/1"],
            ["assignment_requestor", "replicated job", "0/3 (3/3 completed)"],
        ],
    );
    // Its files lie where it was deployed, and so do the results.
    let host = lab.host(2);
    let service = "assignment_notifications-service";
    let told = inside(host, service, &["/testbox", "cat", "/proc/1/cmdline"]);
    let told: Vec<&str> = told.split('\0').skip(3).filter(|it| !it.is_empty()).collect();
    let flags = ["--secret-key", "not-a-real-key-0123456789abcdef", "--external-ip", "127.0.0.1"];
    assert_eq!(told, flags);
    let see = |path: &str| inside(host, service, &["/testbox", "cat", path]);
    assert!(see("/app/.env").contains("SERVICE_ENVIRONMENT=production"));
    assert!(see("/etc/hosts").contains("host.docker.internal"), "{}", see("/etc/hosts"));
    let container = containers(host, service).pop().expect("it runs here");
    let logging = host.docker(&["inspect", "-f", "{{json .HostConfig.LogConfig}}", &container]);
    let logging: Value = serde_json::from_str(&logging.ok()).expect("JSON");
    assert_eq!(logging["Type"], "json-file");
    assert_eq!(
        (&logging["Config"]["max-size"], &logging["Config"]["max-file"]),
        (&"100m".into(), &"5".into())
    );
    assert_eq!(host.read_file(&format!("{FOLDER}/results/latencies.txt")).lines().count(), 3);
    assert!(tasks(host, "assignment_requestor").iter().all(|it| text(it, "Node") == "rasp2"));
}

fn survey(lab: &Lab) {
    let said = deploy(lab, "survey", &[]);
    assert!(said.contains("`survey-app` is used"), "it says what is built as what: {said}");
    let host = host_of(lab, "survey_db");
    let environment = inside(host, "survey_db", &["/testbox", "env"]);
    assert!(environment.contains("PGDATA=/var/lib/postgresql/data/donut"), "{environment}");
    let volumes = host.docker(&["volume", "ls", "-q"]).lines();
    assert!(volumes.contains(&"survey_donut-data".to_owned()), "{volumes:?}");
}

fn monitoring(lab: &Lab) {
    deploy(lab, "monitoring", &[]);
    expect_replicas(
        lab.host(1),
        "monitoring",
        &[
            ["monitoring_cadvisor", "global", "3/3"],
            ["monitoring_prometheus", "replicated", "1/1 (max 1 per node)"],
        ],
    );
    for host in lab.hosts() {
        for path in ["/rootfs/etc/hostname", "/var/run/docker.sock", "/sys/kernel"] {
            inside(host, "monitoring_cadvisor", &["/testbox", "exists", path]);
        }
    }
    let host = host_of(lab, "monitoring_prometheus");
    let path = "/etc/prometheus/prometheus.yml";
    let see = |word: &str| inside(host, "monitoring_prometheus", &["/testbox", word, path]);
    assert_eq!(see("cat"), "global: {scrape_interval: 2s}");
    assert_eq!(see("stat"), "444 0:0");
    let container = containers(host, "monitoring_prometheus").pop().expect("it runs there");
    let form = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}";
    let limits = host.docker(&["inspect", "-f", form, &container]).ok();
    assert_eq!(limits, "268435456 500000000 100");
}

fn counter_and_workshop(lab: &Lab) {
    let host = lab.host(1);
    deploy(lab, "counter", &[]);
    expect_replicas(
        host,
        "counter",
        &[["counter_redis", "replicated", "1/1"], ["counter_web", "replicated", "3/3"]],
    );
    deploy(lab, "workshop", &[]);
    expect_replicas(
        host,
        "workshop",
        &[["workshop_consumer", "replicated", "2/2"], ["workshop_producer", "replicated", "1/1"]],
    );
}

/// As Docker prints it.
fn people_see(lab: &Lab) {
    let host = lab.host(3);
    let head = |words: &[&str]| host.skep(words).lines().swap_remove(0);
    let columns = |line: String| {
        line.split("  ").map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect()
    };
    let heads: [(&[&str], &[&str]); 3] = [
        (&["stack", "ls"], &["NAME", "SERVICES"]),
        (&["stack", "services", "shop"], &["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]),
        (
            &["stack", "ps", "shop"],
            &["ID", "NAME", "IMAGE", "NODE", "DESIRED STATE", "CURRENT STATE", "ERROR", "PORTS"],
        ),
    ];
    for (words, expected) in heads {
        let found: Vec<String> = columns(head(words));
        assert_eq!(found, expected, "{words:?}");
    }
    let listed = rows(host, &["stack", "ls"]);
    let listed: Vec<_> = listed.iter().map(|it| (text(it, "Name"), text(it, "Services"))).collect();
    let expected = [
        ("assignment", "2"),
        ("counter", "2"),
        ("monitoring", "2"),
        ("shop", "5"),
        ("survey", "2"),
        ("workshop", "2"),
    ];
    assert_eq!(listed, expected);
    lab.wait_for("the lost one has a successor", SOON, || {
        running(host, "shop_comments").len() == 2
    });
    let shown = host.skep(&["stack", "ps", "shop"]).lines();
    let earlier = shown.iter().find(|it| it.contains(" \\_ shop_comments.")).expect("a history");
    assert!(earlier.contains("Shutdown") && earlier.contains("Failed"), "{shown:#?}");
    let unknown = host.skep(&["stack", "ps", "nosuch"]);
    assert_eq!((unknown.code, unknown.refused().contains("no such stack: nosuch")), (1, true));
}

/// What a file asks for is there, jobs are done, and no secret is taken for a new one.
fn again_it_is_the_same(lab: &Lab) {
    let variables = format!("{FOLDER}/assignment.env");
    for stack in ["shop", "assignment", "survey", "monitoring", "counter", "workshop"] {
        let flags = ["--env-file", &variables];
        let said = deploy(lab, stack, if stack == "assignment" { &flags } else { &[] });
        let services = rows(lab.host(1), &["stack", "services", stack]).len();
        assert!(said.lines().any(|it| it == format!("{services} unchanged")), "{said}");
    }
    let results = lab.host(2).read_file(&format!("{FOLDER}/results/latencies.txt"));
    assert_eq!(results.lines().count(), 3, "a job that is done is not done again");
}

fn all_of_it_goes(lab: &Lab) {
    let host = lab.host(3);
    let said = host.skep(&["stack", "rm", "shop", "monitoring"]).lines();
    for line in [
        "Removing service shop_posts",
        "Removing secret shop_db_password",
        "Removing service monitoring_cadvisor",
        "Removing config monitoring_prometheus.yml",
    ] {
        assert!(said.contains(&line.to_owned()), "{line:?} is not in {said:#?}");
    }
    host.skep(&["stack", "rm", "assignment", "survey", "counter", "workshop"]).ok();
    lab.wait_for("services, secrets and configs are gone", SOON, || {
        ["stack", "service", "secret", "config"].iter().all(|it| rows(host, &[it, "ls"]).is_empty())
    });
    lab.wait_for("no container is left", SOON, || {
        lab.hosts().all(|it| it.docker(&["ps", "-aq"]).lines().is_empty())
    });
    let volumes = lab.hosts().flat_map(|it| it.docker(&["volume", "ls", "-q"]).lines());
    let mut volumes: Vec<String> = volumes.collect();
    volumes.sort_unstable();
    assert_eq!(volumes, ["shop_data", "survey_donut-data"], "what people keep stays");
}
