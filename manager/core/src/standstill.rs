//! Why an update does not move, for people. It is made up when somebody looks: what it says is in
//! the leader's memory, and no reason to write anything.

use crate::lookup;
use crate::scheduler::Waiting;
use crate::soft::Soft;
use crate::state::State;
use crate::update;
use common::service::Service;
use common::task::{DesiredState, Slot, Task, TaskState};
use common::{NodeId, TaskId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Long before the deadline, and longer than most images take to come.
const TOLD_AFTER: Duration = Duration::from_secs(60);
/// Whoever wants to know more has `service ps`.
const REASONS_MAX: usize = 3;

/// What a leader knows, and the hour.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub state: &'a State,
    pub soft: &'a Soft,
    pub waiting: &'a BTreeMap<TaskId, Waiting>,
    pub now: Timestamp,
}

/// What holds one slot up.
enum Hold {
    /// It has what it is to have.
    Through,
    /// Others come before it.
    InLine,
    Why(String),
}

/// None where there is no update under way, or where it came further a moment ago.
pub fn reason(known: Known<'_>, service: &Service) -> Option<String> {
    let update = service.update.as_ref().filter(|it| it.state.is_under_way())?;
    let mut tasks_by_slot: BTreeMap<Slot, Vec<&Task>> = BTreeMap::new();
    for task in known.state.tasks_of(service.id).filter(|it| it.desired != DesiredState::Remove) {
        tasks_by_slot.entry(task.slot).or_default().push(task);
    }
    let is_new =
        |it: &&&Task| it.template == service.template && it.created.at >= update.started.at;
    let new = tasks_by_slot.values().flatten().filter(is_new).filter(|it| it.is_live());
    let moved = update::last_moved(service, update, new.filter_map(|it| it.ran).max());
    let still_for = known.now.since(moved);
    if still_for < TOLD_AFTER {
        return None;
    }
    let mut is_through = true;
    let mut slots_by_reason: Vec<(String, Vec<String>)> = Vec::new();
    for tasks in tasks_by_slot.values() {
        match hold(known, service, tasks) {
            Hold::Through => {}
            Hold::InLine => is_through = false,
            Hold::Why(reason) => {
                is_through = false;
                let slot = tasks.first().map(|it| slot_for_people(known.state, it));
                match slots_by_reason.iter_mut().find(|(it, _)| *it == reason) {
                    Some((_, slots)) => slots.extend(slot),
                    None => slots_by_reason.push((reason, slot.into_iter().collect())),
                }
            }
        }
    }
    // All that is left is to see whether it goes well.
    if is_through {
        return None;
    }
    Some(in_words(still_for, slots_by_reason))
}

fn in_words(still_for: Duration, slots_by_reason: Vec<(String, Vec<String>)>) -> String {
    let mut words = format!("no progress for {} s", still_for.as_secs());
    let count = slots_by_reason.len();
    for (reason, slots) in slots_by_reason.into_iter().take(REASONS_MAX) {
        let others = match slots.len() - 1 {
            0 => String::new(),
            1 => " and one more".to_owned(),
            more => format!(" and {more} more"),
        };
        words += &format!("; {}{others}: {reason}", slots[0]);
    }
    match count.saturating_sub(REASONS_MAX) {
        0 => words,
        more => words + &format!("; and {more} more reasons"),
    }
}

fn slot_for_people(state: &State, task: &Task) -> String {
    match task.slot {
        Slot::Replica(_) => lookup::slot_name(state, task),
        Slot::Node(node) => format!(
            "{} on {}",
            lookup::service_name(state, task.service),
            lookup::node_name(state, node)
        ),
    }
}

fn hold(known: Known<'_>, service: &Service, tasks: &[&Task]) -> Hold {
    let spec = &service.spec.task;
    let is_current = |it: &&&Task| {
        it.template == service.template || spec.is_satisfied_by(service.task_spec(it.template))
    };
    let successor = tasks.iter().filter(is_current).find(|it| it.is_live());
    let observed = successor.map(|it| observed(known, it));
    match (successor, observed) {
        (Some(task), Some(TaskState::Running)) if task.desired == DesiredState::Running => {
            return match down_node(known, task) {
                Some(why) => Hold::Why(why),
                None => Hold::Through,
            };
        }
        (Some(task), Some(state)) => {
            if let Some(why) = of_successor(known, task, state) {
                return Hold::Why(why);
            }
        }
        (_, _) => {}
    }
    let is_stopping = |it: &&&Task| {
        it.desired > DesiredState::Running
            && !it.status.state.is_terminal()
            && it.placement.node().is_some_and(|node| is_up(known, node))
    };
    if let Some(old) = tasks.iter().find(is_stopping) {
        let on = old.placement.node().map(|it| lookup::node_name(known.state, it));
        let on = on.unwrap_or_default();
        return Hold::Why(format!("its predecessor has not stopped on {on} yet"));
    }
    let newest = tasks.iter().max_by_key(|it| (it.created.at, it.id));
    match newest.filter(|it| update::failure(service, it).is_some()) {
        Some(failed) if successor.is_none() => {
            let why = failed.status.failure.as_ref();
            Hold::Why(why.map_or("its task ended".to_owned(), ToString::to_string))
        }
        Some(_) | None => Hold::InLine,
    }
}

/// Why a task that is to take over does not run.
fn of_successor(known: Known<'_>, task: &Task, state: TaskState) -> Option<String> {
    if let Some(waiting) = known.waiting.get(&task.id) {
        return Some(waiting.in_words(known.now));
    }
    if let Some(why) = down_node(known, task) {
        return Some(why);
    }
    // It is ready, and has to wait for its turn.
    if task.desired == DesiredState::Ready && state >= TaskState::Ready {
        return None;
    }
    let node = lookup::node_name(known.state, task.placement.node()?);
    let latest = known.soft.ahead_of(task.id, task.status.state);
    let doing = latest.map(|(it, _)| it.message.as_str()).filter(|it| !it.is_empty());
    Some(match doing {
        Some(doing) => format!("{doing} on {node}"),
        None => format!("it is {} on {node}", state.as_str().to_lowercase()),
    })
}

fn observed(known: Known<'_>, task: &Task) -> TaskState {
    let ahead = known.soft.ahead_of(task.id, task.status.state);
    ahead.map_or(task.status.state, |(it, _)| it.state)
}

fn down_node(known: Known<'_>, task: &Task) -> Option<String> {
    let node = task.placement.node().filter(|it| !is_up(known, *it))?;
    Some(format!("its node {} is down", lookup::node_name(known.state, node)))
}

fn is_up(known: Known<'_>, node: NodeId) -> bool {
    known.state.node(node).is_some_and(|it| !it.status.state.is_down())
}
