//! What a story says of services, as their specifications have it.

use common::container::{Access, Mount, MountSource, VolumeMount};
use common::resources::GenericResources;
use common::service::{Dependency, DependencyCondition, Mode, RestartCondition, ServiceSpec};
use common::units::{parse_bytes, parse_duration};
use common::update::{FailureAction, Ratio, UpdateOrder, UpdatePolicy};
use common::volume::VolumePolicy;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn configure(spec: &mut ServiceSpec, settings: &[&str]) {
    let given = pairs(settings);
    let get = |key: &str| given.get(key).copied();
    let duration = |key: &str| get(key).map(|it| parse_duration(it).expect("a duration"));
    let number = |key: &str| get(key).map(|it| it.parse::<u32>().expect("a number"));
    if let (Some(replicas), Mode::Replicated { replicas: wanted }) =
        (number("replicas"), &mut spec.mode)
    {
        *wanted = replicas;
    }
    if let Some(needs) = get("needs") {
        spec.depends_on = needs.split(',').map(dependency).collect();
    }
    configure_update(&mut spec.update, &given);
    spec.rollback = UpdatePolicy { on_failure: FailureAction::Pause, ..spec.update.clone() };
    let task = Arc::make_mut(&mut spec.task);
    task.container.image =
        get("image").map_or(task.container.image.clone(), |it| it.parse().expect("an image"));
    if let Some(reserve) = get("reserve") {
        task.reservations.memory_bytes = parse_bytes(reserve).expect("it");
    }
    task.generic.extend(generic(get("generic")));
    if let Some((name, policy)) = get("volume").map(|it| it.split_once(':').unwrap_or((it, ""))) {
        let volume = VolumeMount { name: Some(name.to_owned()), ..VolumeMount::default() };
        let source = MountSource::Volume(volume);
        let target = "/data".to_owned();
        task.container.mounts = vec![Mount { target, access: Access::ReadWrite, source }];
        let known = VolumePolicy::WORDS.iter().find(|(word, _)| *word == policy);
        task.volume_policies = known.map(|(_, it)| (name.to_owned(), *it)).into_iter().collect();
    }
    if let Some(constraint) = get("constraint") {
        task.constraints = vec![constraint.parse().expect("a constraint")];
    }
    task.replicas_max_per_node = number("max-per-node").or(task.replicas_max_per_node);
    task.restart.condition = match get("restart") {
        Some("none") => RestartCondition::Never,
        Some("on-failure") => RestartCondition::OnFailure,
        Some("any") => RestartCondition::Any,
        None => task.restart.condition,
        Some(other) => panic!("no such condition: {other}"),
    };
    task.restart.delay = duration("delay").unwrap_or(task.restart.delay);
    task.restart.attempts_max = number("attempts").or(task.restart.attempts_max);
    task.restart.window = duration("window").unwrap_or(task.restart.window);
    task.at_most_one |= given.contains_key("once");
    task.force = number("force").map_or(task.force, u64::from);
}

/// `gpu:2`
pub(super) fn generic(given: Option<&str>) -> GenericResources {
    let pair = given.and_then(|it| it.split_once(':'));
    pair.map(|(kind, it)| (kind.to_owned(), it.parse().expect("a number"))).into_iter().collect()
}

/// `db`, `db:healthy`, `migrate:complete`, `cache?` for what need not be there.
fn dependency(text: &str) -> Dependency {
    let (text, required) = text.strip_suffix('?').map_or((text, true), |it| (it, false));
    let (name, condition) = match text.split_once(':') {
        None => (text, DependencyCondition::Started),
        Some((name, "healthy")) => (name, DependencyCondition::Healthy),
        Some((name, "complete")) => (name, DependencyCondition::CompletedSuccessfully),
        Some(other) => panic!("no such condition: {other:?}"),
    };
    Dependency { service: name.parse().expect("a name"), condition, required }
}

fn configure_update(policy: &mut UpdatePolicy, given: &BTreeMap<&str, &str>) {
    let get = |key: &str| given.get(key).copied();
    let duration = |key: &str| get(key).map(|it| parse_duration(it).expect("a duration"));
    policy.parallelism =
        get("parallelism").map_or(policy.parallelism, |it| it.parse().expect("a number"));
    policy.order = match get("order") {
        Some("start-first") => UpdateOrder::StartFirst,
        Some("stop-first") => UpdateOrder::StopFirst,
        None => policy.order,
        Some(other) => panic!("no such order: {other}"),
    };
    policy.on_failure = match get("action") {
        Some("pause") => FailureAction::Pause,
        Some("continue") => FailureAction::Continue,
        Some("rollback") => FailureAction::Rollback,
        None => policy.on_failure,
        Some(other) => panic!("no such action: {other}"),
    };
    let ratio = get("ratio").map(|it| it.parse().expect("a number"));
    policy.failure_ratio_max =
        ratio.map_or(policy.failure_ratio_max, |it| Ratio::from_share(it).expect("a share"));
    policy.monitor = duration("monitor").unwrap_or(policy.monitor);
    policy.delay = duration("update-delay").unwrap_or(policy.delay);
    policy.progress_deadline = duration("deadline").unwrap_or(policy.progress_deadline);
}

pub(super) fn pairs<'a>(settings: &[&'a str]) -> BTreeMap<&'a str, &'a str> {
    settings.iter().map(|it| it.split_once('=').unwrap_or((it, ""))).collect()
}
