//! How the agent keeps in touch with its engine: looks for it, lists what there is, asks for images.

use super::{Event, decide, soon};
use crate::world::World;
use agent_core::container::Seen;
use agent_core::standing;
use agent_core::worker::Input as WorkerInput;
use common::NodeId;
use manager_core::leader::Input;

const LIST_EVERY_MS: u64 = 60_000;
/// What is to go may be in use for a moment yet.
const REMOVE_RETRY_MS: u64 = 5_000;
const IMAGES_DEBOUNCE_MS: u64 = 50;

/// One stretch in which the engine was there.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) id: u64,
    is_listing: bool,
    list_due: u64,
}

pub(super) fn attach(world: &mut World, node: NodeId) {
    let machine = world.machine_mut(node);
    if !machine.engine.answers() {
        return soon(world, node, (100, 2_000), Event::Attach);
    }
    machine.agent.watches += 1;
    let (id, list_due) = (machine.agent.watches, u64::MAX);
    machine.agent.watch = Some(Watch { id, is_listing: false, list_due });
    list_in(world, node, 0);
    look_at_images(world, node);
}

pub(crate) fn engine_gone(world: &mut World, node: NodeId) {
    if let Some(watch) = world.machine(node).agent.watch() {
        soon(world, node, (1, 20), Event::EngineLost { watch });
    }
}

pub(super) fn list_in(world: &mut World, node: NodeId, delay: u64) {
    let due = world.now + delay;
    let Some(watch) = &mut world.machine_mut(node).agent.watch else { return };
    watch.list_due = watch.list_due.min(due);
    let watch = watch.id;
    soon(world, node, (delay, delay), Event::ListDue { watch });
}

pub(super) fn begin_list(world: &mut World, node: NodeId) {
    let now = world.now;
    let Some(watch) = &mut world.machine_mut(node).agent.watch else { return };
    if watch.is_listing || now < watch.list_due {
        return;
    }
    watch.is_listing = true;
    let watch = watch.id;
    decide(world, node, WorkerInput::ListingBegun);
    soon(world, node, (1, 50), Event::Snapshot { watch });
}

pub(super) fn snapshot(world: &mut World, node: NodeId, watch: u64) {
    let engine = &world.machine(node).engine;
    if engine.answers() {
        let seen = engine.list();
        soon(world, node, (1, 50), Event::Listed { watch, seen });
    } else {
        soon(world, node, (200, 200), Event::Snapshot { watch });
    }
}

pub(super) fn listed(world: &mut World, node: NodeId, seen: Vec<Seen>) {
    let machine = world.machine_mut(node);
    machine.agent.listed = Some(seen.iter().map(|it| it.task).collect());
    if let Some(watch) = &mut machine.agent.watch {
        (watch.is_listing, watch.list_due) = (false, u64::MAX);
    }
    let fence = &world.machine(node).fence;
    let complete = |one: Seen| standing::seen(fence.standing(&one.id), one);
    let seen = seen.into_iter().map(complete).collect();
    decide(world, node, WorkerInput::Listed(seen));
    world.machine_mut(node).mark_boot();
    // More often while things happen: what goes on beside a list is where lists mislead.
    let often = if world.is_faulty() { world.between(100, 5_000) } else { LIST_EVERY_MS };
    list_in(world, node, often);
}

pub(crate) fn images_changed(world: &mut World, node: NodeId) {
    let delay = IMAGES_DEBOUNCE_MS;
    soon(world, node, (delay, delay), Event::Images);
}

pub(super) fn look_at_images(world: &mut World, node: NodeId) {
    let machine = world.machine_mut(node);
    if machine.agent.watch.is_none() {
        return;
    }
    if !machine.engine.answers() {
        return soon(world, node, (1_000, 1_000), Event::Images);
    }
    tell_volumes(world, node);
    let machine = world.machine_mut(node);
    let images = machine.engine.images().clone();
    let known = machine.agent.images.replace(images.clone());
    if known.as_ref() == Some(&images) {
        return;
    }
    let description = Box::new(machine.description());
    let Some(session) = machine.agent.session.as_ref().map(|it| it.id) else { return };
    if known.is_none() {
        world.tell_leader(node, session, Input::Described { session, description });
    }
    world.tell_leader(node, session, Input::Images { session, images });
}

fn tell_volumes(world: &mut World, node: NodeId) {
    let machine = world.machine_mut(node);
    machine.engine.remove_volumes(&machine.agent.leaving);
    let names = machine.engine.volumes().clone();
    if !names.is_disjoint(&machine.agent.leaving) {
        soon(world, node, (REMOVE_RETRY_MS, REMOVE_RETRY_MS), Event::Images);
    }
    let machine = world.machine_mut(node);
    let known = machine.agent.volumes.replace(names.clone());
    if known.as_ref() != Some(&names)
        && let Some(session) = machine.agent.session.as_ref().map(|it| it.id)
    {
        world.tell_leader(node, session, Input::Volumes { session, names });
    }
}
