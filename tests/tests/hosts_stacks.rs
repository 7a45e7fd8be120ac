//! Stacks on real hosts: a compose file goes in, a running application comes out.

use integration::cluster::{SOON, containers, form, rows, running, tasks, text};
use integration::hosts::{Host, Lab, binary};
use std::collections::BTreeSet;

const FILE: &str = "/root/shop.yml";
/// A chain that starts link by link, with a config and a secret.
const SHOP: &str = r#"
services:
  web:
    image: box:${TAG:-1}
    command: [http, "8080"]
    depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy}}
    configs: [{source: page, target: /page.txt}]
    deploy: {replicas: 3, update_config: {parallelism: 0, monitor: 500ms}}
  migrate:
    image: box:1
    command: [exit, "${MIGRATE_CODE:-0}", "300"]
    depends_on: {db: {condition: service_healthy}}
    deploy: {mode: replicated-job, restart_policy: {condition: none}}
  db:
    image: box:1
    command: [http, "5432"]
    secrets: [password]
    volumes: [data:/data]
    healthcheck:
      test: [CMD, /testbox, get, "127.0.0.1:5432"]
      interval: 30s
      start_period: 30s
      start_interval: 200ms
configs:
  page: {content: "${PAGE:-hello}"}
secrets:
  password: {environment: DB_PASSWORD}
volumes:
  data: {}
"#;

/// Each on a machine of its own, and well once somebody has said so.
const CHAIN: &str = "
x-link: &link
  image: box:1
  healthcheck:
    {test: [CMD, /testbox, exists, /tmp/well], interval: 30s, start_period: 30s,
     start_interval: 200ms}
services:
  third:
    <<: *link
    depends_on: {second: {condition: service_healthy}}
    deploy: {placement: {constraints: [node.hostname == rasp3]}}
  second:
    <<: *link
    depends_on: {first: {condition: service_healthy}}
    deploy: {placement: {constraints: [node.hostname == rasp2]}}
  first:
    <<: *link
    deploy: {placement: {constraints: [node.hostname == rasp1]}}
";

fn deploy(host: &Host, variables: &str, flags: &str) -> String {
    shell(host, &format!("DB_PASSWORD=$(hostname)-0 {variables} skep stack {flags} -c {FILE} shop"))
}

fn shell(host: &Host, line: &str) -> String {
    let program = binary("skep");
    let folder = program.parent().expect("a program lies in a folder").display();
    host.run(&["sh", "-c", &format!("PATH=$PATH:{folder}; {line}")]).ok()
}

fn ids(host: &Host, service: &str) -> BTreeSet<String> {
    running(host, service).iter().map(|it| text(it, "ID").to_owned()).collect()
}

#[test]
fn hosts_deploy_a_stack_in_the_order_of_its_dependencies() {
    let lab = Lab::new("stack", 3);
    form(&lab, 1);
    let manager = lab.host(1);
    manager.write_file(FILE, SHOP.as_bytes());
    let planned = deploy(manager, "", "plan");
    assert!(planned.contains("+ shop_web") && planned.contains("3 to create"), "{planned}");
    assert!(rows(manager, &["service", "ls"]).is_empty(), "a plan changes nothing");

    let told = deploy(manager, "", "deploy");
    assert!(told.contains("Stack shop converged"), "{told}");
    assert_eq!(running(manager, "shop_web").len(), 3);
    assert_eq!(text(&rows(manager, &["stack", "ls"])[0], "Services"), "3");
    assert_eq!(rows(manager, &["stack", "services", "shop"]).len(), 3);
    assert!(rows(manager, &["stack", "ps", "shop"]).len() >= 5);
    let job = rows(manager, &["service", "ls"]);
    let job = job.iter().find(|it| text(it, "Name") == "shop_migrate").expect("the job is there");
    assert_eq!(text(job, "Replicas"), "0/1 (1/1 completed)");

    let before = (ids(manager, "shop_web"), ids(manager, "shop_db"));
    let again = deploy(manager, "", "deploy");
    assert!(again.contains("3 unchanged"), "{again}");
    assert_eq!(before, (ids(manager, "shop_web"), ids(manager, "shop_db")), "nothing is restarted");

    let planned = deploy(manager, "PAGE=bye", "plan");
    assert!(planned.contains("shop_page: new content"), "{planned}");
    assert!(planned.contains("grants[/page.txt]: content -> new content"), "{planned}");
    assert!(planned.contains("~ shop_web") && planned.contains("replaces shop_web.1"), "{planned}");
    deploy(manager, "PAGE=bye", "deploy");
    assert!(ids(manager, "shop_web").is_disjoint(&before.0), "who has the config gets the new one");
    assert_eq!(ids(manager, "shop_db"), before.1, "who has it not goes on");

    manager.skep(&["stack", "rm", "shop"]).ok();
    lab.wait_for("nothing is left", SOON, || {
        lab.hosts().all(|it| it.docker(&["ps", "-aq"]).lines().is_empty())
    });
    lab.wait_for("its files are gone", SOON, || {
        ["config", "secret"].iter().all(|it| rows(manager, &[it, "ls"]).is_empty())
    });
    assert!(rows(manager, &["stack", "ls"]).is_empty());
    a_chain_starts_link_by_link(&lab);
}

fn a_chain_starts_link_by_link(lab: &Lab) {
    let manager = lab.host(1);
    let file = "/root/chain.yml";
    manager.write_file(file, CHAIN.as_bytes());
    manager.skep(&["stack", "deploy", "-d", "-c", file, "chain"]).ok();
    let links = ["first", "second", "third"].map(|it| format!("chain_{it}"));
    for (index, link) in links.iter().enumerate() {
        let host = lab.host(index + 1);
        lab.wait_for("its container starts", SOON, || !containers(host, link).is_empty());
        for (later, before) in links[index + 1..].iter().zip(&links[index..]) {
            let reason = format!("waits for {before} to be healthy");
            lab.wait_for(&format!("{later} says that it {reason}"), SOON, || {
                tasks(manager, later).iter().any(|it| text(it, "Error").contains(&reason))
            });
        }
        let started: Vec<bool> =
            links.iter().zip(lab.hosts()).map(|(it, at)| !containers(at, it).is_empty()).collect();
        let expected: Vec<bool> = (0..links.len()).map(|it| it <= index).collect();
        assert_eq!(started, expected, "no more than what waits for nobody");
        assert!(running(manager, link).is_empty(), "nothing is well yet");
        let container = containers(host, link).pop().expect("it was waited for");
        host.docker(&["exec", &container, "/testbox", "touch", "/tmp/well"]).ok();
        lab.wait_for("it is well", SOON, || running(manager, link).len() == 1);
    }
}

#[test]
fn hosts_say_of_a_stack_what_is_wrong() {
    let lab = Lab::new("bad-stack", 1);
    form(&lab, 1);
    let manager = lab.host(1);
    manager.write_file(FILE, SHOP.as_bytes());
    let line =
        "DB_PASSWORD=x MIGRATE_CODE=7 skep stack deploy -c /root/shop.yml shop; echo code=$?";
    let told = shell(manager, line);
    assert!(told.contains("code=7"), "a job's code is the command's: {told}");
    let waits = tasks(manager, "shop_web");
    assert!(
        waits.iter().any(|it| text(it, "Error").contains("waits for shop_migrate to complete")),
        "{waits:?}"
    );
    manager.skep(&["stack", "rm", "shop"]).ok();

    let bound = "printf 'services: {web: {image: box:1, volumes: [./data:/data]}}' | \
                 skep stack plan -c - bound";
    let told = shell(manager, bound);
    let holds = |it: &str| it.contains("only where node.id==") && it.ends_with("(this node)");
    assert!(told.lines().any(holds), "a relative path lies where the command was given: {told}");

    let bad = "printf 'services:\\n  web:\\n    imag: box:1\\n' | skep stack deploy -c - bad 2>&1";
    let told = shell(manager, &format!("{bad}; echo code=$?"));
    assert!(told.contains("imag") && told.contains("image") && told.contains("code=2"), "{told}");
    assert!(rows(manager, &["stack", "ls"]).is_empty(), "what is refused changes nothing");
}
