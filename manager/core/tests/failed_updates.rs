//! What becomes of updates that fail, story by story.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, decided: Expect) {
    decided.assert_eq(&world::play(story));
}

#[test]
fn a_failing_update_goes_back_everywhere() {
    check(
        "node a
         service web replicas=3 action=rollback delay=1s
         settle
         update web image=bad:1
         plan
         web.1 ready
         plan
         web.1 shutdown
         plan
         web.1 running
         plan
         web.1 failed
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
            web.1 on a prepared bad:1
            --
            look again in 599998 ms
            web.1 on a shutdown
            web.2 on a prepared bad:1
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 600000 ms
            --
            look again in 599999 ms
            web back from 2 to 1: 1 of 3 tasks failed: task: non-zero exit (1)
            web.1 on a new
            web.2 on a remove
            --
            look again in 599997 ms
            web.2 forgotten
            --
            look again in 5000 ms
            --
            web rollback_completed
        "#]],
    );
}

#[test]
fn a_failing_update_is_paused_and_what_it_has_not_reached_stays() {
    check(
        "node a
         service web replicas=3 delay=1s
         settle
         update web image=bad:1
         plan
         web.1 ready
         plan
         web.1 shutdown
         plan
         web.1 running
         plan
         web.1 failed
         plan
         web.2 failed
         advance 1s
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
            web.1 on a prepared bad:1
            --
            look again in 599998 ms
            web.1 on a shutdown
            web.2 on a prepared bad:1
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 600000 ms
            --
            look again in 999 ms
            web paused: 1 of 3 tasks failed: task: non-zero exit (1)
            web.2 on a remove
            --
            web.1 on a new bad:1
            web.2 on a new
        "#]],
    );
}

#[test]
fn a_rollback_touches_only_what_had_moved() {
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
         rollback web 1
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
            web.1 on a prepared
            web.2 on a remove
            --
            look again in 599997 ms
            web.2 forgotten
            --
            look again in 599996 ms
            web.1 on a shutdown
            --
            look again in 599994 ms
            web.1 on a running
            --
            look again in 5000 ms
            --
            web rollback_completed
        "#]],
    );
}

#[test]
fn nobody_is_led_back_to_what_failed() {
    check(
        "node a
         service web replicas=1 image=web:2 monitor=5s action=rollback delay=0
         settle
         update web image=web:3
         settle
         advance 10s
         settle
         update web image=web:4
         settle
         web.1 failed
         settle
         advance 10s
         settle
         back web
         plan",
        expect![[r#"
            web.1 on a new web:2
            --
            --
            look again in 599999 ms
            web.1 on a prepared web:3
            --
            look again in 599998 ms
            web.1 on a shutdown
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 5000 ms
            --
            web completed
            --
            look again in 599999 ms
            web.1 on a prepared web:4
            --
            look again in 599998 ms
            web.1 on a shutdown
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 5000 ms
            --
            look again in 599999 ms
            web back from 3 to 2: 1 of 1 tasks failed: task: non-zero exit (1)
            web.1 on a new web:4
            web.1 on a shutdown
            --
            look again in 599997 ms
            web.1 on a new web:3
            --
            look again in 5000 ms
            --
            web rollback_completed
            --
            look again in 599999 ms
            web.1 on a prepared web:2
        "#]],
    );
}

#[test]
fn what_did_not_work_is_not_gone_back_to() {
    check(
        "node a
         service web replicas=1 action=rollback restart=any
         settle
         update web image=bad:1
         plan
         web.1 ready
         plan
         web.1 shutdown
         plan
         web.1 running
         plan
         web.1 failed
         plan
         web.1 running
         plan
         web.1 failed
         plan
         update web image=bad:2
         plan
         web.1 running
         plan
         web.1 failed
         plan",
        expect![[r#"
            web.1 on a new
            --
            --
            look again in 599999 ms
            web.1 on a prepared bad:1
            --
            look again in 599998 ms
            web.1 on a shutdown
            --
            look again in 599996 ms
            web.1 on a running
            --
            look again in 5000 ms
            --
            look again in 599999 ms
            web back from 2 to 1: 1 of 1 tasks failed: task: non-zero exit (1)
            web.1 on a new
            --
            look again in 5000 ms
            --
            look again in 4999 ms
            web rollback_paused: 1 of 1 tasks failed: task: non-zero exit (1)
            --
            look again in 599999 ms
            web.1 on a new bad:2
            --
            look again in 5000 ms
            --
            look again in 4999 ms
            web paused: 1 of 1 tasks failed: task: non-zero exit (1)
        "#]],
    );
}
