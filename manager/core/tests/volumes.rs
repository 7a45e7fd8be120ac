//! Tasks and their data, story by story.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, decided: Expect) {
    decided.assert_eq(&world::play(story));
}

#[test]
fn a_single_task_stays_with_its_data() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         settle
         db.1 failed
         advance 10s
         plan
         drain a
         settle
         active a
         settle",
        expect![[r#"
            db.1 on a new
            --
            --
            db.1 on a new
            --
            db.1 new
            db.1 on a shutdown
            db.1 waits: no suitable node: 1 draining, 1 without the data of volume data (it is on a)
            --
            db.1 waits: no suitable node: 1 draining, 1 without the data of volume data (it is on a)
            --
            db.1 on a placed
            --
        "#]],
    );
}

#[test]
fn while_its_node_is_away_it_waits_and_is_still_right_when_it_returns() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         settle
         down a
         plan
         up a
         plan
         down a
         plan
         up a
         db.1 rebooted
         advance 10s
         plan",
        expect![[r#"
            db.1 on a new
            --
            --
            --
            --
            --
            db.1 on a new
        "#]],
    );
}

#[test]
fn what_was_never_made_holds_nobody() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         plan
         down a
         plan
         db.1 running
         down b
         plan",
        expect![[r#"
            db.1 on a new
            --
            db.1 on a shutdown
            db.1 on b new
            look again in 86399999 ms
            --
            look again in 86399997 ms
        "#]],
    );
}

#[test]
fn a_node_without_the_image_gets_no_volume() {
    check(
        "node a
         node b
         has a
         has b
         service db replicas=1 volume=data
         plan
         db.1 no-image
         plan
         db.1 running
         db.1 failed
         advance 10s
         plan",
        expect![[r#"
            db.1 on a new
            --
            db.1 on b new
            --
            db.1 on b new
        "#]],
    );
}

#[test]
fn what_lies_there_from_before_is_found() {
    check(
        "node a
         node b
         node c
         volumes b data
         service db replicas=1 volume=data
         plan",
        expect![[r#"
            data found on b
            db.1 on b new
        "#]],
    );
}

#[test]
fn two_services_share_one_volume() {
    check(
        "node a
         node b
         service backup replicas=1 volume=data
         service db replicas=1 volume=data
         plan",
        expect![[r#"
            backup.1 on a new
            db.1 on a new
        "#]],
    );
}

#[test]
fn several_tasks_have_each_its_own_and_may_be_told_otherwise() {
    check(
        "node a
         node b
         service each replicas=2 volume=own
         service all replicas=2 volume=one:strict
         service drawn replicas=1 volume=mine:preferred
         settle
         down a
         plan",
        expect![[r#"
            all.1 on a new
            all.2 on a new
            drawn.1 on b new
            each.1 on a new
            each.2 on b new
            --
            --
            --
            --
            --
            --
            each.1 on a shutdown
            each.1 on b new
            look again in 86399999 ms
        "#]],
    );
}

#[test]
fn a_volume_that_vanished_is_not_begun_anew_without_a_word() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         settle
         volumes a data
         plan
         db.1 failed
         volumes a
         advance 10s
         plan
         forgotten data
         plan",
        expect![[r#"
            db.1 on a new
            --
            --
            --
            db.1 new
            db.1 waits: no suitable node: 1 that had volume data and has it no more (a disk that is not mounted? `skep volume rm data --force` begins anew), 1 without the data of volume data (it is on a)
            --
            db.1 on a placed
        "#]],
    );
}

#[test]
fn a_volume_goes_when_its_node_has_removed_it() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         settle
         volumes a data
         remove db
         settle
         unwanted data
         service db replicas=1 volume=data
         plan
         volumes a
         plan",
        expect![[r#"
            db.1 on a new
            --
            --
            db.1 on a remove
            --
            db.1 forgotten
            service db dropped
            --
            db.1 on b new
            --
            data gone from a
        "#]],
    );
}

#[test]
fn a_node_that_is_no_member_any_more_holds_nobody() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         settle
         down a
         plan
         forget a
         plan",
        expect![[r#"
            db.1 on a new
            --
            --
            --
            db.1 on b new
            db.1 orphaned
            db.1 shutdown
        "#]],
    );
}

#[test]
fn copies_of_others_draw_nobody_away() {
    check(
        "node a
         node b
         service backup volume=data
         service db replicas=1 volume=data constraint=node.hostname==b
         settle
         update db image=web:2 constraint=node.hostname!=x
         settle",
        expect![[r#"
            backup.a on a new
            backup.b on b new
            db.1 on b new
            --
            --
            --
            --
            db.1 on b prepared web:2
            look again in 599999 ms
            --
            db.1 on b shutdown
            look again in 599998 ms
            --
            db.1 on b running
            look again in 599996 ms
            --
            look again in 5000 ms
        "#]],
    );
}

#[test]
fn the_one_that_is_left_of_several_stays_where_it_is() {
    check(
        "node a
         node b
         node c
         service db replicas=1 volume=data
         settle
         scale db 3
         settle
         scale db 1
         settle
         update db image=web:2
         settle",
        expect![[r#"
            db.1 on a new
            --
            --
            db.2 on b new
            db.3 on c new
            --
            --
            --
            db.2 on b remove
            db.3 on c remove
            --
            db.3 forgotten
            --
            db.2 forgotten
            --
            db.1 on a prepared web:2
            look again in 599999 ms
            --
            db.1 on a shutdown
            look again in 599998 ms
            --
            db.1 on a running
            look again in 599996 ms
            --
            look again in 5000 ms
        "#]],
    );
}

#[test]
fn nobody_writes_beside_what_is_being_removed() {
    check(
        "node a
         node b
         service old replicas=1 volume=data
         settle
         remove old
         service new replicas=1 volume=data
         plan
         old.1 shutdown
         plan",
        expect![[r#"
            old.1 on a new
            --
            --
            new.1 new
            new.1 waits: no suitable node: 1 whose volume data is in use by old, which is being removed, 1 without the data of volume data (it is on a)
            old.1 on a remove
            --
            new.1 on a placed
            old.1 forgotten
            service old dropped
        "#]],
    );
}

#[test]
fn what_was_given_up_with_its_node_is_begun_anew_elsewhere() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         settle
         remove db
         settle
         down a
         unwanted data
         service db replicas=1 volume=data
         plan",
        expect![[r#"
            db.1 on a new
            --
            --
            db.1 on a remove
            --
            db.1 forgotten
            service db dropped
            --
            db.1 on b new
        "#]],
    );
}

#[test]
fn what_its_node_has_said_holds_it_before_it_runs() {
    check(
        "node a
         node b
         service db replicas=1 volume=data
         plan
         volumes a data
         plan
         down a
         plan
         drain a
         plan",
        expect![[r#"
            db.1 on a new
            --
            data found on a
            --
            --
            db.1 new
            db.1 on a shutdown
            db.1 waits: no suitable node: 1 down, 1 without the data of volume data (it is on a)
            look again in 86399998 ms
        "#]],
    );
}
