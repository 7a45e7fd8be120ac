//! What goes wrong, drawn from the seed.

use crate::agent;
use crate::checks;
use crate::engine;
use crate::founding::{self, MANAGERS, STEADY_NODE};
use crate::machine::Fate;
use crate::users;
use crate::world::{Happening, World};
use agent_core::container::Exit;
use common::node::DownReason;
use common::{NodeId, TaskId};
use manager_core::leader::Parting;

pub(crate) fn strike(world: &mut World) {
    if !world.is_faulty() {
        return;
    }
    let next = world.between(50, 3_000);
    world.after(next, Happening::Fault);
    let twins = checks::work::twins(world);
    world.wrong.extend(twins);
    let id = any(world);
    match world.chance.below(32) {
        0 => lose_machine(world, id),
        1 => lose_agent(world, id),
        2 => toggle_cable(world, id),
        3 => power_on(world),
        4 => lose_leader(world),
        5 => world.log.fail_until(world.now + 2_000),
        6 => container_ends(world, id),
        7 => container_is_removed(world, id),
        8 => toggle_hang(world, id),
        9 | 10 => image_comes_or_goes(world, id),
        11 | 12 => users::create_service(world),
        13 => users::scale(world),
        14 => users::remove_service(world),
        15 => users::toggle_availability(world, id),
        16 => users::remove_node(world, id),
        17 => restart_engine(world, id),
        18 => agent::lose_session(world, id),
        19 => world.registry.answers = !world.registry.answers,
        20 => shut_down(world, id),
        21 => restart_agent(world, id),
        22 => hand_over(world),
        23..=26 => users::update_service(world),
        27 => users::roll_back(world),
        28 => users::remove_volume(world),
        29 | 30 => freeze(world, id),
        _ => everything_dark(world),
    }
}

fn any(world: &mut World) -> NodeId {
    let at = world.chance.below(world.machines.len() as u64) as usize;
    world.machines.keys().copied().nth(at).expect("there is a node")
}

fn cut_power(world: &mut World, id: NodeId) {
    if world.leader.as_ref().is_some_and(|it| it.node == id) {
        world.depose();
    }
    agent::is_gone(world, id);
    world.machine_mut(id).lose_power();
}

fn lose_machine(world: &mut World, id: NodeId) {
    world.say(|| format!("{id} loses its power"));
    cut_power(world, id);
}

/// Its programs stand still, and go on as if nothing had been; its containers do not stand still.
fn freeze(world: &mut World, id: NodeId) {
    let machine = world.machine_mut(id);
    if machine.has_power() && machine.frozen.is_none() {
        machine.frozen = Some(Vec::new());
        world.say(|| format!("{id} freezes"));
        let freeze = world.between(100, 25_000);
        world.after(freeze, Happening::Thaw { node: id });
    }
}

/// Where it dies, a manager in the same process dies with it.
fn lose_agent(world: &mut World, id: NodeId) {
    world.say(|| format!("{id} loses its agent"));
    if world.leader.as_ref().is_some_and(|it| it.node == id) {
        world.depose();
    }
    agent::is_gone(world, id);
    world.machine_mut(id).lose_agent();
    agent::start(world, id);
}

fn power_on(world: &mut World) {
    let off = world.machines.values().filter(|it| !it.has_power() && it.fate != Fate::Lost);
    let off: Vec<NodeId> = off.map(|it| it.node).collect();
    for id in off {
        world.say(|| format!("{id} gets its power back"));
        world.machine_mut(id).get_power();
        agent::start(world, id);
    }
}

fn toggle_cable(world: &mut World, id: NodeId) {
    let machine = world.machine_mut(id);
    machine.is_cut = !machine.is_cut;
    let cut = machine.is_cut;
    world.say(|| format!("{id} cut: {cut}"));
}

fn toggle_hang(world: &mut World, id: NodeId) {
    let hung = !engine::is_hung(world, id);
    world.say(|| format!("{id}'s engine hangs: {hung}"));
    engine::set_hung(world, id, hung);
}

fn restart_engine(world: &mut World, id: NodeId) {
    if world.machine(id).has_power() {
        world.say(|| format!("{id}'s engine is restarted"));
        engine::restart(world, id);
    }
}

fn lose_leader(world: &mut World) {
    if let Some(id) = world.leader.as_ref().map(|it| it.node) {
        lose_machine(world, id);
    }
}

fn hand_over(world: &mut World) {
    if let Some(id) = world.leader.as_ref().map(|it| it.node) {
        world.hand_over();
        world.machine_mut(id).lose_agent();
        agent::start(world, id);
    }
}

/// In order: it says so, and its tasks move at once.
fn shut_down(world: &mut World, id: NodeId) {
    world.say(|| format!("{id} is shut down"));
    agent::say_goodbye(world, id, Parting::Down(DownReason::ShutDown));
    cut_power(world, id);
}

/// In order: it says so, and nothing moves.
fn restart_agent(world: &mut World, id: NodeId) {
    if world.machine(id).has_power() {
        agent::say_goodbye(world, id, Parting::Restart);
        lose_agent(world, id);
    }
}

fn everything_dark(world: &mut World) {
    if !world.one_in(4) {
        return;
    }
    world.say(|| "all lose power".to_owned());
    let all: Vec<NodeId> = world.machines.keys().copied().collect();
    all.into_iter().for_each(|id| cut_power(world, id));
    power_on(world);
}

fn some_running(world: &mut World, id: NodeId) -> Option<TaskId> {
    let tasks: Vec<TaskId> = world.machine(id).engine.running().collect();
    let at = world.chance.below(tasks.len().max(1) as u64) as usize;
    tasks.get(at).copied()
}

fn container_ends(world: &mut World, id: NodeId) {
    let code = world.chance.below(2) as i64;
    let Some(task) = some_running(world, id) else { return };
    world.say(|| format!("{task} on {id} exits with {code}"));
    engine::end(world, id, task, Exit { code, out_of_memory: false });
}

/// By a person, past the agent.
fn container_is_removed(world: &mut World, id: NodeId) {
    let Some(task) = some_running(world, id) else { return };
    world.say(|| format!("{task} on {id} is removed by hand"));
    if let Some(attempt) = world.attempts.get_mut(&task) {
        attempt.is_removed_by_hand = true;
    }
    engine::remove(world, id, task);
}

fn image_comes_or_goes(world: &mut World, id: NodeId) {
    let image = founding::any_image(world).full().to_owned();
    let there = id == STEADY_NODE || !world.machine(id).engine.images().contains(&image);
    engine::set_image(world, id, &image, there);
}

/// Everything is mended, but for a machine that may be lost for good.
pub(crate) fn end(world: &mut World) {
    world.say(|| "everything is mended".to_owned());
    world.log.fail_until(0);
    let all: Vec<NodeId> = world.machines.keys().copied().collect();
    if world.one_in(3) {
        let id = any(world);
        let may_go = id != STEADY_NODE && world.machine(id).fate == Fate::Member;
        if may_go && world.managers.len() as u64 == MANAGERS {
            world.say(|| format!("{id} is lost for good"));
            cut_power(world, id);
            world.machine_mut(id).fate = Fate::Lost;
        }
    }
    for id in all {
        world.machine_mut(id).is_cut = false;
        world.thaw(id);
        engine::set_hung(world, id, false);
        // What was missing arrives by itself in the end.
        for image in founding::all_images() {
            engine::set_image(world, id, &image, true);
        }
    }
    world.registry.answers = true;
    power_on(world);
    users::end(world);
}
