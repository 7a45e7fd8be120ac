//! How jobs run, story by story.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, decided: Expect) {
    decided.assert_eq(&world::play(story));
}

#[test]
fn jobs_run_each_slot_to_its_end() {
    check(
        "node a
         job once completions=3 at-a-time=2 delay=1s
         plan
         once.1 running
         once.1 complete
         plan
         once.2 failed
         plan
         advance 1s
         plan
         once.2 complete
         once.3 complete
         plan
         update once force=1
         plan",
        expect![[r#"
            once.1 on a new
            once.2 on a new
            --
            once.3 on a new
            --
            look again in 1000 ms
            --
            once.2 on a new
            --
            --
            once.1 on a new
            once.2 on a new
        "#]],
    );
}

#[test]
fn a_job_on_every_node() {
    check(
        "node a
         node b
         job sweep
         plan
         sweep.a complete
         plan
         node c
         plan
         down b
         plan",
        expect![[r#"
            sweep.a on a new
            sweep.b on b new
            --
            --
            sweep.c on c new
            --
        "#]],
    );
}

/// Nothing of it moves from slot to slot, so there is nothing that could be under way for ever.
#[test]
fn a_job_that_is_changed_begins_anew_and_is_no_update() {
    check(
        "node a
         job once completions=1
         settle
         once.1 complete
         update once image=web:2
         settle
         once.1 complete
         advance 20m
         plan",
        expect![[r#"
            once.1 on a new
            --
            --
            once.1 on a new web:2
            --
            --
        "#]],
    );
}
