//! `deploy`, and what older files say in its place.

use super::fields::Fields;
use crate::model::{
    Deploy, DeviceChoice, DeviceRequest, Endpoint, FailureAction, Limits, Mode, Reservations,
    RestartCondition, RestartPolicy, UpdateOrder, UpdatePolicy,
};
use crate::problem::{Fault, quote};
use common::constraint::Constraint;

pub(super) fn deploy(service: &Fields<'_>) -> Deploy {
    let deploy = service.object("deploy");
    let placement = deploy.and_then(|it| it.object("placement"));
    let policy = deploy.and_then(|it| it.object("restart_policy"));
    Deploy {
        mode: mode(service, deploy.as_ref()),
        labels: deploy.map(|it| it.pairs("labels")).unwrap_or_default(),
        endpoint: deploy
            .and_then(|it| it.choice("endpoint_mode", Endpoint::WORDS))
            .unwrap_or_default(),
        constraints: placement.map(|it| constraints(&it)).unwrap_or_default(),
        spread: placement.map(|it| spread(&it)).unwrap_or_default(),
        replicas_max_per_node: placement
            .and_then(|it| it.number("max_replicas_per_node"))
            .filter(|most| *most > 0),
        limits: limits(service, deploy.as_ref()),
        reservations: reservations(service, deploy.as_ref()),
        restart: restart_by_either(service, policy.map(|it| restart_policy(&it))),
        update: deploy.and_then(|it| it.object("update_config")).map(|it| update(&it)),
        rollback: deploy.and_then(|it| it.object("rollback_config")).map(|it| update(&it)),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

fn mode(service: &Fields<'_>, deploy: Option<&Fields<'_>>) -> Mode {
    let kinds = [
        ("replicated", Kind::Replicated),
        ("global", Kind::Global),
        ("replicated-job", Kind::ReplicatedJob),
        ("global-job", Kind::GlobalJob),
    ];
    let given: Option<u32> = deploy.and_then(|it| it.number("replicas"));
    let scale: Option<u32> = service.number("scale");
    only_one(service, "scale", "deploy.replicas", scale, given);
    let replicas = given.or(scale);
    let kind = deploy.and_then(|it| it.choice("mode", &kinds)).unwrap_or(Kind::Replicated);
    match kind {
        Kind::Replicated => Mode::Replicated { replicas: replicas.unwrap_or(1) },
        Kind::ReplicatedJob => Mode::ReplicatedJob { replicas: replicas.unwrap_or(1) },
        Kind::Global | Kind::GlobalJob => {
            if replicas.is_some() {
                let node = deploy.and_then(|it| it.node("replicas")).or(service.node("scale"));
                let at = node.map_or(service.at(), |node| node.at);
                let text = "a global service has a task on every node and no number of replicas";
                service.reader.error(Fault::new(at, text).hint("leave out `replicas`"));
            }
            match kind {
                Kind::GlobalJob => Mode::GlobalJob,
                Kind::Global | Kind::Replicated | Kind::ReplicatedJob => Mode::Global,
            }
        }
    }
}

/// Two keys for one thing may agree, but not differ.
fn only_one<T: PartialEq>(
    service: &Fields<'_>,
    key: &'static str,
    other: &str,
    one: Option<T>,
    two: Option<T>,
) {
    if let (Some(one), Some(two)) = (one, two)
        && one != two
    {
        let at = service.node(key).map_or(service.at(), |node| node.at);
        let text = format!("`{key}` and `{other}` say different things");
        service.reader.error(Fault::new(at, text).hint(format!("leave `{key}` out")));
    }
}

fn constraints(placement: &Fields<'_>) -> Vec<Constraint> {
    placement.parsed_list("constraints", |text| {
        text.parse().map_err(|bad: common::constraint::BadConstraint| bad.to_string())
    })
}

fn spread(placement: &Fields<'_>) -> Vec<String> {
    let preferences = placement.items("preferences");
    let spread = preferences.iter().filter_map(|it| {
        let label = it.word("spread")?;
        if label.starts_with("node.labels.") || label.starts_with("engine.labels.") {
            return Some(label);
        }
        // Swarm passes over what it cannot spread over.
        if matches!(label.as_str(), "node.hostname" | "node.id") {
            let text = format!("`spread: {label}` is ignored: tasks spread over the nodes anyway");
            it.reader.warn(Fault::new(it.node("spread")?.at, text));
            return None;
        }
        let text = format!("{} is not a label to spread over", quote(&label));
        let hint = "write node.labels.NAME or engine.labels.NAME";
        it.reader.error(Fault::new(it.node("spread")?.at, text).hint(hint));
        None
    });
    spread.collect()
}

fn limits(service: &Fields<'_>, deploy: Option<&Fields<'_>>) -> Limits {
    let resources = deploy.and_then(|it| it.object("resources"));
    let given = resources.and_then(|it| it.object("limits"));
    let cpus = (service.cpus("cpus"), given.and_then(|it| it.cpus("cpus")));
    let memory = (service.bytes("mem_limit"), given.and_then(|it| it.bytes("memory")));
    let pids = (pids(service, "pids_limit"), given.and_then(|it| pids(&it, "pids")));
    only_one(service, "cpus", "deploy.resources.limits.cpus", cpus.0, cpus.1);
    only_one(service, "mem_limit", "deploy.resources.limits.memory", memory.0, memory.1);
    only_one(service, "pids_limit", "deploy.resources.limits.pids", pids.0, pids.1);
    Limits {
        cpu_nanos: cpus.1.or(cpus.0),
        memory_bytes: memory.1.or(memory.0),
        pids: pids.1.or(pids.0).and_then(|pids| u64::try_from(pids).ok()).filter(|it| *it > 0),
    }
}

/// Zero and -1 are no limit.
fn pids(fields: &Fields<'_>, key: &'static str) -> Option<i64> {
    let pids: i64 = fields.number(key)?;
    if pids < -1 {
        fields.wrong(fields.node(key)?, key, "a number of processes, or -1 for no limit");
    }
    Some(pids)
}

fn reservations(service: &Fields<'_>, deploy: Option<&Fields<'_>>) -> Reservations {
    let resources = deploy.and_then(|it| it.object("resources"));
    let given = resources.and_then(|it| it.object("reservations"));
    let memory = (service.bytes("mem_reservation"), given.and_then(|it| it.bytes("memory")));
    let key = "deploy.resources.reservations.memory";
    only_one(service, "mem_reservation", key, memory.0, memory.1);
    let generic = given.map(|it| it.items("generic_resources")).unwrap_or_default();
    let devices = given.map(|it| it.items("devices")).unwrap_or_default();
    let gpus = service.items("gpus");
    Reservations {
        cpu_nanos: given.and_then(|it| it.cpus("cpus")),
        memory_bytes: memory.1.or(memory.0),
        generic: generic.iter().filter_map(generic_resource).collect(),
        devices: devices
            .iter()
            .filter_map(|it| device_request(it, &[]))
            .chain(gpus.iter().filter_map(|it| device_request(it, &["gpu"])))
            .collect(),
    }
}

fn generic_resource(fields: &Fields<'_>) -> Option<(String, u64)> {
    let discrete = fields.object("discrete_resource_spec")?;
    match (discrete.word("kind"), discrete.number("value")) {
        (Some(kind), Some(value)) => Some((kind, value)),
        (_, _) => {
            let text = "a generic resource wants a `kind` and a whole `value`";
            fields.reader.error(Fault::new(fields.at(), text));
            None
        }
    }
}

/// With the capabilities that go without saying.
fn device_request(fields: &Fields<'_>, implied: &[&str]) -> Option<DeviceRequest> {
    let mut capabilities = fields.texts("capabilities");
    for implied in implied.iter().map(|it| (*it).to_owned()) {
        if !capabilities.contains(&implied) {
            capabilities.push(implied);
        }
    }
    if capabilities.is_empty() {
        let text = "a request for devices wants `capabilities`";
        fields.reader.error(Fault::new(fields.at(), text).hint("for example [gpu]"));
        return None;
    }
    let ids = fields.texts("device_ids");
    let count = fields.node("count").and_then(|it| it.as_text());
    let choice = match (count, ids.is_empty()) {
        (Some(_), false) => {
            let text = "`count` and `device_ids` cannot both be";
            fields.reader.error(Fault::new(fields.at(), text));
            return None;
        }
        (None, false) => DeviceChoice::Ids(ids),
        (None | Some("all" | "-1"), true) => DeviceChoice::All,
        (Some(_), true) => DeviceChoice::Count(fields.number("count")?),
    };
    let options = fields.pairs("options");
    Some(DeviceRequest { capabilities, driver: fields.word("driver"), choice, options })
}

/// `no`, `always`, `unless-stopped`, `on-failure[:ATTEMPTS]`
fn restart(service: &Fields<'_>) -> Option<RestartPolicy> {
    let text = service.text("restart")?;
    let of = |it| Some(RestartPolicy { condition: Some(it), ..RestartPolicy::default() });
    match text.as_str() {
        // Plain `no` and `false` are what people mean by it.
        "no" | "false" | "never" => of(RestartCondition::Never),
        "always" | "unless-stopped" => of(RestartCondition::Any),
        "on-failure" => of(RestartCondition::OnFailure),
        other => {
            let attempts = other.strip_prefix("on-failure:").and_then(|it| it.parse().ok());
            if attempts.is_none() {
                let expected = "one of no, always, unless-stopped, on-failure, on-failure:COUNT";
                service.wrong(service.node("restart")?, "restart", expected);
            }
            let condition = Some(RestartCondition::OnFailure);
            Some(RestartPolicy { condition, attempts_max: attempts, ..RestartPolicy::default() })
        }
    }
}

/// Files that are for single machines as well have both.
fn restart_by_either(service: &Fields<'_>, policy: Option<RestartPolicy>) -> Option<RestartPolicy> {
    // Read in any case, for its problems.
    let restart = restart(service);
    let Some(policy) = policy else { return restart };
    let differs = |it: &RestartPolicy| {
        it.condition != policy.condition
            || it.attempts_max.is_some() && it.attempts_max != policy.attempts_max
    };
    if let Some(node) = service.node("restart").filter(|_| restart.as_ref().is_some_and(differs)) {
        let text = "`restart` is ignored: `deploy.restart_policy` says something else, and wins";
        service.reader.warn(Fault::new(node.at, text).hint("leave one of them out"));
    }
    Some(policy)
}

fn restart_policy(fields: &Fields<'_>) -> RestartPolicy {
    let conditions = [
        ("none", RestartCondition::Never),
        ("on-failure", RestartCondition::OnFailure),
        ("any", RestartCondition::Any),
        // The words of `restart`, which people use here as well.
        ("no", RestartCondition::Never),
        ("always", RestartCondition::Any),
        ("unless-stopped", RestartCondition::Any),
    ];
    RestartPolicy {
        condition: fields.choice("condition", &conditions),
        delay: fields.duration("delay"),
        attempts_max: fields.number("max_attempts"),
        window: fields.duration("window"),
    }
}

fn update(fields: &Fields<'_>) -> UpdatePolicy {
    let actions = [
        ("pause", FailureAction::Pause),
        ("continue", FailureAction::Continue),
        ("rollback", FailureAction::Rollback),
    ];
    let orders = [("stop-first", UpdateOrder::StopFirst), ("start-first", UpdateOrder::StartFirst)];
    let ratio: Option<f64> = fields.number("max_failure_ratio");
    if let Some(node) = fields.node("max_failure_ratio")
        && ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio))
    {
        fields.wrong(node, "max_failure_ratio", "a number from 0 to 1");
    }
    UpdatePolicy {
        parallelism: fields.number("parallelism"),
        delay: fields.duration("delay"),
        failure_action: fields.choice("failure_action", &actions),
        monitor: fields.duration("monitor"),
        failure_ratio_max: ratio,
        order: fields.choice("order", &orders),
    }
}
