//! Who starts and goes when, story by story.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, decided: Expect) {
    decided.assert_eq(&world::play(story));
}

#[test]
fn a_chain_starts_link_by_link() {
    check(
        "node a
         service web replicas=2 needs=db:healthy,migrate:complete
         job migrate completions=1 needs=db:healthy
         service db replicas=1
         plan
         db.1 running
         plan
         migrate.1 running
         migrate.1 complete
         plan",
        expect![[r#"
            db.1 on a new
            migrate.1 new
            migrate.1 waits: waits for db to be healthy
            web.1 new
            web.1 waits: waits for db to be healthy, migrate to complete
            web.2 new
            web.2 waits: waits for db to be healthy, migrate to complete
            --
            migrate.1 on a placed
            web.1 waits: waits for migrate to complete
            web.2 waits: waits for migrate to complete
            --
            web.1 on a placed
            web.2 on a placed
        "#]],
    );
}

#[test]
fn what_has_run_once_waits_for_nobody() {
    check(
        "node a
         service web replicas=1 needs=db delay=0
         service db replicas=1 delay=10s
         settle
         db.1 failed
         web.1 failed
         plan",
        expect![[r#"
            db.1 on a new
            web.1 new
            web.1 waits: waits for db to run
            --
            web.1 on a placed
            --
            --
            look again in 9998 ms
            web.1 on a new
        "#]],
    );
}

#[test]
fn what_is_not_there_is_named_and_what_need_not_be_is_not_waited_for() {
    check(
        "node a
         service web replicas=1 needs=db
         service api replicas=1 needs=cache?
         service worker replicas=1 needs=queue?
         service queue replicas=1 reserve=9g
         plan
         advance 1m
         plan",
        expect![[r#"
            api.1 on a new
            look again in 60000 ms
            queue.1 new
            queue.1 waits: no suitable node: 1 lacking memory (need 9GiB, best has 1GiB)
            web.1 new
            web.1 waits: waits for db to run (there is no such service)
            worker.1 new
            worker.1 waits: waits for queue to run
            --
            queue.1 waits: no suitable node: 1 lacking memory (need 9GiB, best has 1GiB)
            web.1 waits: waits for db to run (there is no such service)
            worker.1 on a placed
        "#]],
    );
}

#[test]
fn they_go_in_the_other_order() {
    check(
        "node a
         service web replicas=1 needs=api
         service api replicas=1 needs=db
         service db replicas=1
         settle
         remove db
         remove web
         remove api
         settle",
        expect![[r#"
            api.1 new
            api.1 waits: waits for db to run
            db.1 on a new
            web.1 new
            web.1 waits: waits for api to run
            --
            api.1 on a placed
            web.1 waits: waits for api to run
            --
            web.1 on a placed
            --
            --
            web.1 on a remove
            --
            api.1 on a remove
            service web dropped
            web.1 forgotten
            --
            api.1 forgotten
            db.1 on a remove
            service api dropped
            --
            db.1 forgotten
            service db dropped
        "#]],
    );
}

#[test]
fn those_that_need_each_other_go_together() {
    check(
        "node a
         service hen replicas=1 needs=egg?
         service egg replicas=1 needs=hen?
         advance 1m
         settle
         remove hen
         remove egg
         settle",
        expect![[r#"
            egg.1 new
            egg.1 waits: waits for hen to run
            hen.1 new
            hen.1 waits: waits for egg to run
            look again in 60000 ms
            --
            egg.1 forgotten
            hen.1 forgotten
            service egg dropped
            service hen dropped
        "#]],
    );
}
