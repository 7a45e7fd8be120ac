//! What must not run twice: when the next task of a slot may begin.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, expected: Expect) {
    expected.assert_eq(&world::play(story));
}

#[test]
fn a_lost_node_s_tasks_move_when_its_lease_is_over() {
    check(
        "node a
         node b
         service web replicas=1 once
         plan
         web.1 running
         down a
         plan
         advance 11s
         plan
         advance 1s
         plan",
        expect![[r#"
            web.1 on a new
            --
            look again in 11998 ms
            web.1 new
            web.1 on a shutdown
            web.1 waits: waits until its predecessor on a is over for sure
            --
            look again in 998 ms
            web.1 waits: waits until its predecessor on a is over for sure
            --
            look again in 86387998 ms
            web.1 on b placed
        "#]],
    );
}

#[test]
fn one_that_comes_back_is_waited_for() {
    check(
        "node a
         node b
         service web replicas=1 once
         plan
         web.1 running
         down a
         plan
         up a
         advance 20s
         plan
         web.1 shutdown
         plan",
        expect![[r#"
            web.1 on a new
            --
            look again in 11998 ms
            web.1 new
            web.1 on a shutdown
            web.1 waits: waits until its predecessor on a is over for sure
            --
            web.1 waits: waits until its predecessor on a is over for sure
            --
            web.1 on a placed
        "#]],
    );
}

#[test]
fn a_drained_node_s_word_is_waited_for() {
    check(
        "node a
         node b
         service web replicas=1 once
         plan
         web.1 running
         drain a
         plan
         advance 60s
         plan
         web.1 shutdown
         plan",
        expect![[r#"
            web.1 on a new
            --
            web.1 new
            web.1 on a shutdown
            web.1 waits: waits until its predecessor on a is over for sure
            --
            web.1 waits: waits until its predecessor on a is over for sure
            --
            web.1 on b placed
        "#]],
    );
}

#[test]
fn an_update_of_what_is_cut_off_waits() {
    check(
        "node a
         node b
         service web replicas=1 once
         plan
         web.1 running
         update web image=web:2
         plan
         web.1 ready
         plan
         down a
         plan
         advance 12s
         plan",
        expect![[r#"
            web.1 on a new
            --
            look again in 599999 ms
            web.1 on b prepared web:2
            --
            look again in 599998 ms
            web.1 on a shutdown
            --
            look again in 11999 ms
            web.1 waits: waits until its predecessor on a is over for sure
            --
            look again in 587996 ms
            web.1 on b running
        "#]],
    );
}

#[test]
fn a_removed_node_is_waited_for_as_well() {
    check(
        "node a
         node b
         service web replicas=2 once
         plan
         web.1 running
         web.2 running
         scale web 1
         plan
         forget a
         plan
         scale web 2
         plan
         advance 12s
         plan",
        expect![[r#"
            web.1 on a new
            web.2 on b new
            --
            web.1 on a remove
            --
            look again in 12000 ms
            web.1 orphaned
            --
            look again in 11998 ms
            web.1 new
            web.1 waits: waits until its predecessor is over for sure
            --
            web.1 forgotten
            web.1 on b placed
        "#]],
    );
}

#[test]
fn a_service_that_is_made_anew_waits_for_what_was_removed() {
    check(
        "node a
         node b
         service web replicas=1 once
         plan
         web.1 running
         remove web
         service web replicas=1 once
         plan
         web.1 shutdown
         plan",
        expect![[r#"
            web.1 on a new
            --
            web.1 new
            web.1 on a remove
            web.1 waits: waits until its predecessor on a is over for sure
            --
            service web dropped
            web.1 forgotten
            web.1 on a placed
        "#]],
    );
}

#[test]
fn what_never_ran_by_leases_is_not_over_for_want_of_them() {
    check(
        "node a
         node b
         service web replicas=1
         plan
         web.1 running
         down a
         update web once
         plan
         advance 60s
         plan
         up a
         web.1 shutdown
         plan",
        expect![[r#"
            web.1 on a new
            --
            look again in 599999 ms
            web.1 new
            web.1 on a shutdown
            web.1 waits: waits until its predecessor on a is over for sure
            --
            look again in 539999 ms
            web.1 waits: waits until its predecessor on a is over for sure
            --
            look again in 539996 ms
            web.1 on b placed
        "#]],
    );
}
