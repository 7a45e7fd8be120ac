//! What is told of an update that does not move, story by story.

mod world;

use expect_test::{Expect, expect};

/// Only what was told.
fn check(story: &str, told: Expect) {
    let all = world::play(story);
    let is_told = |it: &&str| it.starts_with("no progress") || *it == "all is well";
    let lines: String = all.lines().filter(is_told).map(|it| format!("{it}\n")).collect();
    told.assert_eq(&lines);
}

#[test]
fn it_is_told_after_a_minute() {
    check(
        "node a memory=1g
         node b memory=1g
         service web replicas=2 reserve=300m
         settle
         why web
         update web image=web:2 reserve=2g
         plan
         advance 59s
         why web
         advance 1s
         why web
         update web image=web:3 reserve=300m
         why web
         settle
         why web",
        expect![[r#"
            all is well
            all is well
            no progress for 60 s; web.1: no suitable node: 2 lacking memory (need 2GiB, best has 1GiB)
            all is well
            all is well
        "#]],
    );
}

#[test]
fn the_pause_between_two_slots_is_no_standstill() {
    check(
        "node a
         service web replicas=2
         settle
         update web image=web:2 update-delay=10m
         settle
         advance 9m
         plan
         why web",
        expect![[r#"
            all is well
        "#]],
    );
}

#[test]
fn nor_is_it_to_see_whether_all_goes_well() {
    check(
        "node a
         service web replicas=1
         settle
         update web image=web:2 monitor=10m
         settle
         advance 5m
         plan
         why web",
        expect![[r#"
            all is well
        "#]],
    );
}

#[test]
fn what_an_agent_is_busy_with_is_said() {
    check(
        "node a
         node b
         service web replicas=2 parallelism=0
         settle
         update web image=web:2
         plan
         advance 2m
         plan
         why web
         web.1 ready
         plan
         advance 1m
         why web
         down a
         plan
         why web",
        expect![[r#"
            no progress for 120 s; web.1: it is assigned on a; web.2: it is assigned on b
            no progress for 180 s; web.1: its predecessor has not stopped on a yet; web.2: it is assigned on b
            no progress for 180 s; web.1 and one more: it is assigned on b
        "#]],
    );
}

#[test]
fn who_fails_is_said_where_others_go_on() {
    check(
        "node a
         service web replicas=1 action=continue delay=5m
         settle
         update web image=web:2
         plan
         web.1 ready
         plan
         web.1 shutdown
         plan
         web.1 running
         plan
         web.1 failed
         plan
         advance 2m
         plan
         why web",
        expect![[r#"
            no progress for 120 s; web.1: task: non-zero exit (1)
        "#]],
    );
}

#[test]
fn a_task_of_every_node_is_named_by_its_node() {
    check(
        "node a memory=1g
         node b memory=1g
         node c memory=1g
         service web reserve=300m parallelism=0
         settle
         update web image=web:2 reserve=2g
         plan
         advance 2m
         plan
         why web",
        expect![[r#"
            no progress for 120 s; web on a and 2 more: no suitable node: 1 lacking memory (need 2GiB, best has 1GiB)
        "#]],
    );
}
