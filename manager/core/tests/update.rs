//! How services are updated and rolled back, story by story.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, decided: Expect) {
    decided.assert_eq(&world::play(story));
}

#[test]
fn one_slot_after_the_other_is_stopped_and_started() {
    check(
        "node a
         node b
         service web replicas=2
         settle
         update web image=web:2
         settle",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            --
            --
            look again in 599999 ms
            web.1 on a prepared web:2
            --
            look again in 599998 ms
            web.1 on a shutdown
            web.2 on b prepared web:2
            --
            look again in 599998 ms
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 599999 ms
            web.2 on b shutdown
            --
            look again in 599997 ms
            web.2 on b running
            --
            look again in 5000 ms
        "#]],
    );
}

#[test]
fn or_started_and_stopped() {
    check(
        "node a
         service web replicas=2 order=start-first parallelism=0
         settle
         update web image=web:2
         settle
         advance 5s
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on a new
            --
            --
            --
            look again in 599999 ms
            web.1 on a prepared web:2
            web.2 on a prepared web:2
            --
            look again in 599998 ms
            web.2 on a running
            --
            look again in 599999 ms
            web.2 on a shutdown
            --
            look again in 599998 ms
            web.1 on a running
            --
            look again in 4999 ms
            web.1 on a shutdown
            --
            look again in 4998 ms
            --
            look again in 4997 ms
            --
            web completed
        "#]],
    );
}

#[test]
fn what_running_tasks_satisfy_already_restarts_nothing() {
    check(
        "node a label=zone=west
         node b
         service web replicas=2
         settle
         update web reserve=10m restart=on-failure
         settle
         update web constraint=node.labels.zone==west
         settle",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            --
            --
            web completed
            --
            look again in 599999 ms
            web.2 on a prepared
            --
            look again in 599998 ms
            web.2 on b shutdown
            --
            look again in 599996 ms
            web.2 on a running
            --
            look again in 5000 ms
        "#]],
    );
}

#[test]
fn an_image_that_nobody_has_stops_nothing() {
    check(
        "node a
         node b
         service web replicas=2
         settle
         update web image=typo:1
         plan
         web.1 no-image
         plan
         web.1 no-image
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            --
            --
            look again in 599999 ms
            web.1 on a prepared typo:1
            --
            look again in 599997 ms
            web.1 on b prepared typo:1
            --
            web paused: no node has the image typo:1, and no registry gave it
            web.1 forgotten
            web.1 prepared typo:1
        "#]],
    );
}

/// Also where that is only because no registry answers. Who asks again has it tried again.

#[test]
fn an_update_that_was_paused_is_resumed_by_another() {
    check(
        "node a
         node b
         service web replicas=2
         settle
         update web image=later:1
         plan
         web.1 no-registry
         plan
         web.1 no-image
         plan
         scale web 3
         settle
         update web image=later:1
         settle
         advance 5s
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            --
            --
            look again in 599999 ms
            web.1 on a prepared later:1
            --
            look again in 599997 ms
            web.1 on b prepared later:1
            --
            web paused: no node has the image later:1, and no registry gave it
            web.1 forgotten
            web.1 prepared later:1
            --
            look again in 9994 ms
            web.3 new later:1
            web.3 waits: no suitable node: 2 without the image
            --
            look again in 599999 ms
            web.1 on a prepared later:1
            web.3 on b placed
            --
            look again in 599999 ms
            --
            look again in 599997 ms
            web.1 on a shutdown
            web.2 on a prepared later:1
            --
            look again in 599997 ms
            --
            look again in 599995 ms
            web.1 on a running
            --
            look again in 599999 ms
            web.2 on b shutdown
            --
            look again in 599997 ms
            web.2 on a running
            --
            look again in 5000 ms
            --
            web completed
        "#]],
    );
}

#[test]
fn a_second_update_takes_over() {
    check(
        "node a
         service web replicas=3
         settle
         update web image=web:2
         plan
         web.1 ready
         plan
         web.1 shutdown
         plan
         web.1 running
         update web image=web:3
         settle
         advance 5s
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on a new
            web.3 on a new
            --
            --
            --
            --
            look again in 599999 ms
            web.1 on a prepared web:2
            --
            look again in 599998 ms
            web.1 on a shutdown
            web.2 on a prepared web:2
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 599999 ms
            web.1 on a prepared web:3
            web.2 on a remove
            --
            look again in 599997 ms
            web.2 forgotten
            --
            look again in 599996 ms
            web.1 on a shutdown
            web.2 on a prepared web:3
            --
            look again in 599994 ms
            web.1 on a running
            --
            look again in 599994 ms
            --
            look again in 599999 ms
            web.2 on a shutdown
            web.3 on a prepared web:3
            --
            look again in 599999 ms
            --
            look again in 599997 ms
            web.2 on a running
            --
            look again in 599999 ms
            web.3 on a shutdown
            --
            look again in 599997 ms
            web.3 on a running
            --
            look again in 5000 ms
            --
            web completed
        "#]],
    );
}

#[test]
fn what_finds_no_room_waits_beside_what_runs_and_fails_in_time() {
    check(
        "node a memory=1g
         service web replicas=1 reserve=600m deadline=1m
         settle
         update web image=web:2
         plan
         update web image=web:3 reserve=2g
         plan
         advance 1m
         plan",
        expect![[r#"
            web.1 on a new
            --
            --
            look again in 59999 ms
            web.1 on a prepared web:2
            --
            look again in 59999 ms
            web.1 on a remove
            web.1 prepared web:3
            web.1 waits: no suitable node: 1 lacking memory (need 2GiB, best has 1GiB)
            --
            web paused: no progress for 60 s
            web.1 forgotten
        "#]],
    );
}

#[test]
fn a_global_service_moves_on_when_its_node_is_back() {
    check(
        "node a
         node b
         service web
         settle
         down b
         update web image=web:2
         settle
         advance 5s
         plan
         up b
         advance 2s
         settle",
        expect![[r#"
            web.a on a new
            web.b on b new
            --
            --
            --
            look again in 599999 ms
            web.a on a prepared web:2
            --
            look again in 599998 ms
            web.a on a shutdown
            --
            look again in 599996 ms
            web.a on a running
            --
            look again in 5000 ms
            --
            web completed
            --
            web.b on b prepared web:2
            --
            web.b on b shutdown
            --
            web.b on b running
            --
        "#]],
    );
}

#[test]
fn a_successor_has_what_its_predecessor_had() {
    check(
        "node a generic=gpu:1
         service web replicas=1 generic=gpu:1
         settle
         update web image=web:2
         settle",
        expect![[r#"
            web.1 on a new
            --
            --
            look again in 599999 ms
            web.1 on a prepared web:2
            --
            look again in 599998 ms
            web.1 on a shutdown
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 5000 ms
        "#]],
    );
}

#[test]
fn what_is_too_many_for_a_node_moves_when_it_can() {
    check(
        "node a
         service web replicas=2
         settle
         node b
         update web max-per-node=1
         settle",
        expect![[r#"
            web.1 on a new
            web.2 on a new
            --
            --
            --
            look again in 599999 ms
            web.2 on b prepared
            --
            look again in 599998 ms
            web.2 on a shutdown
            --
            look again in 599996 ms
            web.2 on b running
            --
            look again in 5000 ms
        "#]],
    );
}

#[test]
fn and_stays_while_there_is_nowhere_to_go() {
    check(
        "node a
         service web replicas=2
         settle
         update web max-per-node=1
         settle
         node b
         settle",
        expect![[r#"
            web.1 on a new
            web.2 on a new
            --
            --
            --
            look again in 599999 ms
            web.2 prepared
            web.2 waits: no suitable node: 1 with 1 of this service already (the maximum)
            --
            look again in 599997 ms
            web.2 on b placed
            --
            look again in 599996 ms
            web.2 on a shutdown
            --
            look again in 599994 ms
            web.2 on b running
            --
            look again in 5000 ms
        "#]],
    );
}
