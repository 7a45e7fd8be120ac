//! What the planner decides, story by story.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, decided: Expect) {
    decided.assert_eq(&world::play(story));
}

#[test]
fn a_new_service_is_spread() {
    check(
        "node a
         node b
         node c
         service web replicas=4
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            web.3 on c new
            web.4 on a new
        "#]],
    );
}

#[test]
fn a_node_with_more_room_is_preferred_by_its_share() {
    check(
        "node small memory=512m
         node large memory=4g
         service db replicas=1 reserve=256m
         service web replicas=2 reserve=64m
         plan",
        expect![[r#"
            db.1 on small new
            web.1 on large new
            web.2 on small new
        "#]],
    );
}

#[test]
fn scaling_down_keeps_what_runs_and_stays_spread() {
    check(
        "node a
         node b
         service web replicas=4
         plan
         web.1 running
         web.3 running
         scale web 2
         plan
         scale web 1
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            web.3 on a new
            web.4 on b new
            --
            web.2 on b remove
            web.4 on b remove
            --
            web.3 on a remove
        "#]],
    );
}

#[test]
fn a_failed_task_is_replaced_after_its_delay() {
    check(
        "node a
         service web replicas=1 delay=5s
         plan
         web.1 running
         web.1 failed
         plan
         advance 4s
         plan
         advance 1s
         plan",
        expect![[r#"
            web.1 on a new
            --
            look again in 5000 ms
            --
            look again in 1000 ms
            --
            web.1 on a new
        "#]],
    );
}

#[test]
fn restart_policies() {
    check(
        "node a
         service once replicas=1 restart=none
         service tidy replicas=1 restart=on-failure delay=0
         service twice replicas=1 delay=0 attempts=1
         plan
         once.1 failed
         tidy.1 complete
         twice.1 failed
         plan
         twice.1 failed
         plan",
        expect![[r#"
            once.1 on a new
            tidy.1 on a new
            twice.1 on a new
            --
            twice.1 on a new
            --
        "#]],
    );
}

#[test]
fn attempts_are_counted_within_the_window() {
    check(
        "node a
         service web replicas=1 delay=0 attempts=1 window=10s
         plan
         web.1 failed
         advance 20s
         plan
         web.1 failed
         plan",
        expect![[r#"
            web.1 on a new
            --
            web.1 on a new
            --
            web.1 on a new
        "#]],
    );
}

#[test]
fn a_lost_node_s_tasks_move_at_once_and_come_back_to_nobody() {
    check(
        "node a
         node b
         service web replicas=2 delay=5s
         plan
         web.1 running
         web.2 running
         down b
         plan
         up b
         plan
         web.2 running
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            look again in 86399999 ms
            web.2 on a new
            web.2 on b shutdown
            --
            --
        "#]],
    );
}

#[test]
fn a_node_that_came_back_gets_nothing_new_for_a_while() {
    check(
        "node a
         down a
         up a
         service web replicas=1
         plan
         advance 2s
         plan",
        expect![[r#"
            look again in 1997 ms
            web.1 new
            web.1 waits: no suitable node: 1 just came back and must stay for a while
            --
            web.1 on a placed
        "#]],
    );
}

#[test]
fn drain_moves_tasks_and_pins_wait_with_the_reason() {
    check(
        "node a label=zone=west
         node b
         service web replicas=1 constraint=node.labels.zone==west
         service any replicas=1
         plan
         drain a
         plan
         active a
         plan",
        expect![[r#"
            any.1 on b new
            web.1 on a new
            --
            web.1 new
            web.1 on a shutdown
            web.1 waits: no suitable node: 1 draining, 1 not matching node.labels.zone==west
            --
            web.1 on a placed
        "#]],
    );
}

#[test]
fn what_no_node_can_hold_waits_with_the_reason_per_node() {
    check(
        "node a memory=300m
         node b memory=200m
         node c
         drain c
         service big replicas=2 reserve=512m
         plan",
        expect![[r#"
            big.1 new
            big.1 waits: no suitable node: 1 draining, 2 lacking memory (need 512MiB, best has 300MiB)
            big.2 new
            big.2 waits: no suitable node: 1 draining, 2 lacking memory (need 512MiB, best has 300MiB)
        "#]],
    );
}

#[test]
fn at_most_so_many_per_node() {
    check(
        "node a
         node b
         service web replicas=3 max-per-node=1
         plan
         node c
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            web.3 new
            web.3 waits: no suitable node: 2 with 1 of this service already (the maximum)
            --
            web.3 on c placed
        "#]],
    );
}

#[test]
fn a_global_service_runs_everywhere_and_follows_the_nodes() {
    check(
        "node a
         node b
         service agent global
         plan
         agent.a running
         agent.b running
         node c
         plan
         down b
         plan
         drain a
         plan",
        expect![[r#"
            agent.a on a new
            agent.b on b new
            --
            agent.c on c new
            --
            --
            agent.a on a shutdown
        "#]],
    );
}

#[test]
fn a_reboot_costs_no_delay() {
    check(
        "node a
         service web replicas=1 delay=5s
         plan
         web.1 running
         web.1 rebooted
         plan",
        expect![[r#"
            web.1 on a new
            --
            web.1 on a new
        "#]],
    );
}

#[test]
fn a_removed_service_goes_when_its_last_task_is_gone() {
    check(
        "node a
         service web replicas=2
         plan
         web.1 running
         remove web
         plan
         web.1 shutdown
         web.2 shutdown
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on a new
            --
            web.1 on a remove
            web.2 on a remove
            --
            service web dropped
            web.1 forgotten
            web.2 forgotten
        "#]],
    );
}

#[test]
fn a_removed_node_s_tasks_are_given_up() {
    check(
        "node a
         node b
         service web replicas=2
         plan
         down b
         plan
         forget b
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            look again in 86399999 ms
            web.2 on a new
            web.2 on b shutdown
            --
            web.2 orphaned
        "#]],
    );
}

#[test]
fn lost_tasks_are_orphaned_after_a_day() {
    check(
        "node a
         node b
         service web replicas=2
         plan
         down b
         plan
         advance 24h
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            look again in 86399999 ms
            web.2 on a new
            web.2 on b shutdown
            --
            web.2 orphaned
        "#]],
    );
}

#[test]
fn only_so_much_history_is_kept() {
    check(
        "node a
         service web replicas=1 delay=0
         plan
         web.1 failed
         plan
         web.1 failed
         plan
         web.1 failed
         plan
         web.1 failed
         plan
         web.1 failed
         plan
         web.1 failed
         plan
         web.1 failed
         plan",
        expect![[r#"
            web.1 on a new
            --
            web.1 on a new
            --
            web.1 on a new
            --
            web.1 on a new
            --
            web.1 on a new
            --
            web.1 on a new
            --
            web.1 forgotten
            web.1 on a new
            --
            web.1 forgotten
            web.1 on a new
        "#]],
    );
}

#[test]
fn what_a_node_has_so_many_of_is_counted() {
    check(
        "node a generic=gpu:2
         node b generic=gpu:1
         node c
         service web replicas=3 generic=gpu:1
         plan
         service big replicas=1 generic=gpu:2
         plan
         remove web
         plan
         settle",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            web.3 on a new
            --
            big.1 new
            big.1 waits: no suitable node: 3 lacking gpu (need 2, best has 0)
            --
            big.1 on a placed
            web.1 on a remove
            web.2 on b remove
            web.3 on a remove
            --
            --
            web.3 forgotten
            --
            web.1 forgotten
            --
            --
            service web dropped
            web.2 forgotten
        "#]],
    );
}
