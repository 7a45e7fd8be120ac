//! One service.

use super::fields::Fields;
use super::{deploy, grants, kernel, mounts, network};
use crate::model::{
    Dependency, DependencyCondition, HealthCheck, Logging, Probe, ProbeCommand, PullPolicy, Service,
};
use crate::node::Value;
use crate::problem::{Fault, quote};
use crate::words;
use std::collections::BTreeMap;

pub(super) fn service(name: &str, fields: &Fields<'_>) -> Option<Service> {
    if let Err(bad) = name.parse::<common::Name>() {
        let text = format!("{} is not a service's name: {}", quote(name), bad.reason);
        fields.reader.error(Fault::new(fields.at(), text));
    }
    let image = fields.parsed("image");
    if fields.node("image").is_none_or(|it| it.as_text() == Some("")) {
        let text = format!("service {} has no `image`", quote(name));
        fields.reader.error(Fault::new(fields.at(), text));
    }
    // The selection has used what could be used of them.
    fields.texts("profiles");
    // Everything is read even where the image is missing: all problems at once.
    let network = network::network(fields);
    let service = |image| Service {
        image,
        platform: fields.parsed("platform"),
        pull_policy: pull_policy(fields),
        entrypoint: command(fields, "entrypoint"),
        command: command(fields, "command"),
        environment: fields.pairs("environment"),
        labels: fields.pairs("labels"),
        annotations: fields.pairs("annotations"),
        container_name: fields.word("container_name"),
        hostname: fields.word("hostname"),
        domain_name: fields.word("domainname"),
        user: fields.word("user"),
        groups: fields.texts("group_add"),
        working_dir: fields.word("working_dir"),
        init: fields.flag("init"),
        tty: fields.flag("tty").unwrap_or(false),
        stdin_open: fields.flag("stdin_open").unwrap_or(false),
        read_only: fields.flag("read_only").unwrap_or(false),
        stop_signal: fields.word("stop_signal"),
        stop_grace_period: fields.duration("stop_grace_period"),
        health: fields.object("healthcheck").map(|it| health(&it)),
        logging: fields.object("logging").map(|it| logging(&it)),
        depends_on: depends_on(fields),
        network,
        ports: network::ports(fields),
        expose: network::expose(fields),
        extra_hosts: network::extra_hosts(fields),
        dns: fields.parsed_list("dns", network::parse_address),
        dns_search: fields.texts("dns_search"),
        dns_options: fields.texts("dns_opt"),
        mounts: mounts::mounts(fields),
        configs: grants::grants(fields, "configs"),
        secrets: grants::grants(fields, "secrets"),
        kernel: kernel::kernel(fields),
        deploy: deploy::deploy(fields),
        at_most_one: fields.flag("x-at-most-one").unwrap_or(false),
    };
    match image {
        Some(image) => Some(service(image)),
        None => {
            let stand_in = "none".parse().ok()?;
            // Read for its problems alone.
            drop(service(stand_in));
            None
        }
    }
}

fn pull_policy(fields: &Fields<'_>) -> Option<PullPolicy> {
    let given = fields.word("pull_policy")?;
    // Images are looked up when a service is deployed, which is as often as these can mean.
    if matches!(given.as_str(), "daily" | "weekly") || given.starts_with("every_") {
        return Some(PullPolicy::Always);
    }
    if given == "build" {
        let text = "`pull_policy: build` is ignored: images are pulled, never built here";
        fields.reader.warn(Fault::new(fields.node("pull_policy")?.at, text));
        return None;
    }
    let policies = [
        ("always", PullPolicy::Always),
        ("missing", PullPolicy::Missing),
        ("if_not_present", PullPolicy::Missing),
        ("never", PullPolicy::Never),
    ];
    fields.choice("pull_policy", &policies)
}

/// A string is taken apart as a shell would; a list is taken as it is.
fn command(fields: &Fields<'_>, key: &'static str) -> Option<Vec<String>> {
    let node = fields.node(key)?;
    match &node.value {
        Value::Text(text) => words::split(&text.text)
            .map_err(|reason| {
                let text = format!("`{key}`: {reason} in {}", quote(&text.text));
                fields.reader.error(Fault::new(node.at, text));
            })
            .ok(),
        Value::List(_) => Some(fields.texts(key)),
        Value::Null | Value::Map(_) => {
            fields.wrong(node, key, "a command or a list of its words");
            None
        }
    }
}

fn health(fields: &Fields<'_>) -> HealthCheck {
    let probe = Probe {
        test: None,
        interval: fields.duration("interval"),
        timeout: fields.duration("timeout"),
        retries: fields.number("retries"),
        start_period: fields.duration("start_period"),
        start_interval: fields.duration("start_interval"),
    };
    let is_off = fields.flag("disable").unwrap_or(false);
    let test = test(fields);
    match test {
        Test::Off => HealthCheck::Disabled,
        Test::Inherit if is_off => HealthCheck::Disabled,
        Test::Command(_) if is_off => HealthCheck::Disabled,
        Test::Inherit => HealthCheck::Enabled(probe),
        Test::Command(command) => HealthCheck::Enabled(Probe { test: Some(command), ..probe }),
    }
}

enum Test {
    Off,
    /// The image's own.
    Inherit,
    Command(ProbeCommand),
}

fn test(fields: &Fields<'_>) -> Test {
    let Some(node) = fields.node("test") else { return Test::Inherit };
    if let Some(text) = node.as_text() {
        return Test::Command(ProbeCommand::Shell(text.to_owned()));
    }
    let words = fields.texts("test");
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["NONE"] => Test::Off,
        [] => Test::Inherit,
        ["CMD", _, ..] => Test::Command(ProbeCommand::Exec(words[1..].to_vec())),
        ["CMD-SHELL", line] => Test::Command(ProbeCommand::Shell(line.to_owned())),
        _ => {
            let text = "`test` begins with CMD, CMD-SHELL or NONE";
            let hint = "for example [\"CMD-SHELL\", \"curl -f localhost\"]";
            fields.reader.error(Fault::new(node.at, text).hint(hint));
            Test::Inherit
        }
    }
}

fn logging(fields: &Fields<'_>) -> Logging {
    Logging { driver: fields.word("driver"), options: fields.pairs("options") }
}

fn depends_on(fields: &Fields<'_>) -> BTreeMap<String, Dependency> {
    let conditions = [
        ("service_started", DependencyCondition::Started),
        ("service_healthy", DependencyCondition::Healthy),
        ("service_completed_successfully", DependencyCondition::CompletedSuccessfully),
    ];
    fields.each("depends_on", |_, it| {
        let condition = it.choice("condition", &conditions);
        Some(Dependency {
            condition: condition.unwrap_or(DependencyCondition::Started),
            required: it.flag("required").unwrap_or(true),
        })
    })
}
