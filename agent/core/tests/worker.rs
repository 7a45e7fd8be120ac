//! The worker behind one door: a story as text in, the actions it leads to as text out.

mod story;

use expect_test::expect;
use story::check;

#[test]
fn a_task_runs_at_once_where_its_image_is() {
    check(
        "again; begun; listed; all 1=run; done 1 created; done 1 started; event 1 started",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            done 1 created: report 1 Starting, start 1
            done 1 started: report 1 Running"#]],
    );
    // A short one has ended before the engine's answer comes.
    check(
        "again; begun; listed; all 1=run; done 1 created; event 1 started; event 1 died:0;
         done 1 started",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            done 1 created: report 1 Starting, start 1
            event 1 started: report 1 Running
            event 1 died:0: report 1 Complete"#]],
    );
}

#[test]
fn an_image_is_pulled_only_where_it_is_missing() {
    check(
        "again; begun; listed; all 1=run; fail 1 create image-missing; progress 1 half;
         progress 1 half; done 1 pulled; done 1 created; done 1 started",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            fail 1 create image-missing: report 1 Preparing "pulling redis:7", pull 1
            progress 1 half: report 1 Preparing "half"
            done 1 pulled: create 1
            done 1 created: report 1 Starting, start 1
            done 1 started: report 1 Running"#]],
    );
    check(
        "again; begun; listed; all 1=run 2=run; fail 1 create image-missing; fail 1 pull no-image;
         fail 2 create image-missing; fail 2 pull registry; all 1=stop 2=remove",
        expect![[r#"
            all 1=run 2=run: report 1 Accepted, create 1, report 2 Accepted, create 2
            fail 1 create image-missing: report 1 Preparing "pulling redis:7", pull 1
            fail 1 pull no-image: report 1 Rejected (No such image: redis:7 (why))
            fail 2 create image-missing: report 2 Preparing "pulling redis:7", pull 2
            fail 2 pull registry: report 2 Rejected (No such image: redis:7; the registry does not answer (why))"#]],
    );
    // Pulled, and yet not there: no second round.
    check(
        "again; begun; listed; all 1=run; fail 1 create image-missing; done 1 pulled;
         fail 1 create image-missing; begun; listed",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            fail 1 create image-missing: report 1 Preparing "pulling redis:7", pull 1
            done 1 pulled: create 1
            fail 1 create image-missing: report 1 Rejected (No such image: redis:7 (it was pulled, and yet the engine has not got it))"#]],
    );
}

#[test]
fn who_always_pulls_or_never() {
    check(
        "again; begun; listed; all 1=run:always; done 1 pulled; done 1 created; done 1 started",
        expect![[r#"
            all 1=run:always: report 1 Accepted, report 1 Preparing "pulling redis:7", pull 1
            done 1 pulled: create 1
            done 1 created: report 1 Starting, start 1
            done 1 started: report 1 Running"#]],
    );
    check(
        "again; begun; listed; all 1=run:always; fail 1 pull registry",
        expect![[r#"
        all 1=run:always: report 1 Accepted, report 1 Preparing "pulling redis:7", pull 1
        fail 1 pull registry: report 1 Rejected (No such image: redis:7; the registry does not answer (why))"#]],
    );
    check(
        "again; begun; listed; all 1=run:never; done 1 created; done 1 started",
        expect![[r#"
        all 1=run:never: report 1 Accepted, create 1
        done 1 created: report 1 Starting, start 1
        done 1 started: report 1 Running"#]],
    );
    check(
        "again; begun; listed; all 1=run:never; fail 1 create image-missing; begun; listed",
        expect![[r#"
            all 1=run:never: report 1 Accepted, create 1
            fail 1 create image-missing: report 1 Rejected (No such image: redis:7 (this node has not got it, and it is never pulled))"#]],
    );
}

#[test]
fn who_is_stopped_while_pulling_waits_for_no_registry() {
    check(
        "again; begun; listed; all 1=run; fail 1 create image-missing; put 1=stop; progress 1 half;
         done 1 pulled",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            fail 1 create image-missing: report 1 Preparing "pulling redis:7", pull 1
            put 1=stop: report 1 Shutdown"#]],
    );
    check(
        "again; begun; listed; all 1=run; fail 1 create image-missing; gone 1; done 1 pulled; empty",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            fail 1 create image-missing: report 1 Preparing "pulling redis:7", pull 1
            empty: true"#]],
    );
}

#[test]
fn what_the_engine_will_not_do() {
    check(
        "again; begun; listed; all 1=run 2=run 3=run; fail 1 create bind; fail 2 create refused;
         done 3 created; fail 3 start refused; all; done 3 removed; empty",
        expect![[r#"
            all 1=run 2=run 3=run: report 1 Accepted, create 1, report 2 Accepted, create 2, report 3 Accepted, create 3
            fail 1 create bind: report 1 Rejected (bind source path does not exist on this node: /data)
            fail 2 create refused: report 2 Rejected (why)
            done 3 created: report 3 Starting, start 3
            fail 3 start refused: report 3 Failed (why)
            all: remove 3
            empty: true"#]],
    );
    // What would not be stopped or removed is tried again with the next listing.
    check(
        "again; begun; listed 1=running; all; fail 1 stop refused; event 2 died:1; begun;
         listed 1=running; done 1 stopped; fail 1 remove refused; begun; listed 1=exited:0;
         fail 1 remove no-container; empty",
        expect![[r#"
            all: stop 1
            fail 1 stop refused: list later
            listed 1=running: stop 1
            done 1 stopped: remove 1
            fail 1 remove refused: list later
            listed 1=exited:0: remove 1
            empty: true"#]],
    );
}

#[test]
fn how_a_task_ends() {
    check(
        "again; begun; listed 1=running 2=running 3=running 4=running 5=running;
         all 1=run 2=run 3=run 4=run 5=stop; event 1 died:0; event 2 died:1; event 3 died:137!;
         event 4 removed; event 5 died:143; done 5 stopped",
        expect![[r#"
            all 1=run 2=run 3=run 4=run 5=stop: report 1 Running, report 2 Running, report 3 Running, report 4 Running, report 5 Running, stop 5
            event 1 died:0: report 1 Complete
            event 2 died:1: report 2 Failed (task: non-zero exit (1))
            event 3 died:137!: report 3 Failed (out of memory: killed by the kernel at its memory limit (exit 137))
            event 4 removed: report 4 Failed (its container was removed from outside)
            event 5 died:143: report 5 Shutdown"#]],
    );
    // Somebody starts again by hand what has ended: a task is one attempt.
    check(
        "again; begun; listed 1=running; all 1=run; event 1 died:3; event 1 started; done 1 stopped",
        expect![[r#"
            all 1=run: report 1 Running
            event 1 died:3: report 1 Failed (task: non-zero exit (3))
            event 1 started: stop 1"#]],
    );
}

#[test]
fn what_is_not_wanted_any_more() {
    // Shutdown keeps the container for its log, Remove and being forgotten do not.
    check(
        "again; begun; listed 1=running 2=running 3=running; all 1=stop 2=remove; done 1 stopped;
         done 2 stopped; done 3 stopped; done 2 removed; done 3 removed; gone 2; all; done 1 removed;
         empty",
        expect![[r#"
            all 1=stop 2=remove: report 1 Running, stop 1, report 2 Running, stop 2, stop 3
            done 1 stopped: report 1 Shutdown
            done 2 stopped: report 2 Shutdown, remove 2
            done 3 stopped: remove 3
            all: remove 1
            empty: true"#]],
    );
    // Nothing has begun yet.
    check(
        "again; begun; listed; all 1=stop 2=remove; gone 1 2; empty",
        expect![[r#"
            all 1=stop 2=remove: report 1 Shutdown, report 2 Shutdown
            empty: true"#]],
    );
    // It is being created or started: nobody knows yet what there will be to stop.
    check(
        "again; begun; listed; all 1=run 2=run 3=run; put 1=stop 2=remove; gone 3; done 1 created;
         done 2 created; done 3 created; done 2 removed; done 3 removed",
        expect![[r#"
            all 1=run 2=run 3=run: report 1 Accepted, create 1, report 2 Accepted, create 2, report 3 Accepted, create 3
            done 1 created: report 1 Shutdown
            done 2 created: report 2 Shutdown, remove 2
            done 3 created: remove 3"#]],
    );
    check(
        "again; begun; listed; all 1=run; done 1 created; put 1=stop; done 1 started; done 1 stopped",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            done 1 created: report 1 Starting, start 1
            done 1 started: report 1 Running, stop 1
            done 1 stopped: report 1 Shutdown"#]],
    );
}

#[test]
fn containers_are_adopted_and_left_alone_until_a_manager_speaks() {
    check(
        "again; begun; listed 1=running 2=created 3=exited:0 4=running; event 1 started;
         all 1=run 2=run 3=run",
        expect![[r#"
            all 1=run 2=run 3=run: report 1 Running, report 2 Starting, start 2, report 3 Complete, stop 4"#]],
    );
    // Assigned before the engine has told what there is.
    check(
        "again; all 1=run 2=run 3=stop; begun; listed 1=running 3=running; done 3 stopped",
        expect![[r#"
            all 1=run 2=run 3=stop: report 1 Accepted, report 2 Accepted
            listed 1=running 3=running: report 1 Running, create 2, report 3 Running, stop 3
            done 3 stopped: report 3 Shutdown"#]],
    );
    // The engine knows the name: nothing is made twice. A stranger's container has no label.
    check(
        "again; begun; listed; all 1=run 2=run; fail 1 create name-taken; fail 2 create name-taken;
         begun; listed 1=running; fail 2 create name-taken",
        expect![[r#"
            all 1=run 2=run: report 1 Accepted, create 1, report 2 Accepted, create 2
            fail 1 create name-taken: list
            fail 2 create name-taken: list
            listed 1=running: report 1 Running, create 2
            fail 2 create name-taken: report 2 Rejected (a container of this name exists already)"#]],
    );
}

#[test]
fn restarts_of_the_machine_and_the_engine() {
    check(
        "first; begun; listed 1=exited:255 2=exited:0 3=exited:137; all 1=run 2=run 3=stop;
         begun; listed 1=exited:255 2=exited:0 3=exited:137",
        expect![[r#"
            all 1=run 2=run 3=stop: report 1 Failed (its machine or Docker Engine was restarted), report 2 Failed (its machine or Docker Engine was restarted), report 3 Shutdown"#]],
    );
    // Only the agent was away: the exit code tells the truth.
    check(
        "again; begun; listed 1=exited:255; all 1=run",
        expect!["all 1=run: report 1 Failed (task: non-zero exit (255))"],
    );
    check(
        "again; begun; listed 1=running; all 1=run; lost; event 1 died:137; begun;
         listed 1=exited:137",
        expect![[r#"
            all 1=run: report 1 Running
            listed 1=exited:137: report 1 Failed (its machine or Docker Engine was restarted)"#]],
    );
    check(
        "again; begun; listed 1=running 2=running 3=running; all 1=run 2=run 3=run; lost;
         put 4=run; begun; listed 1=running 2=exited:0",
        expect![[r#"
            all 1=run 2=run 3=run: report 1 Running, report 2 Running, report 3 Running
            put 4=run: report 4 Accepted
            listed 1=running 2=exited:0: report 2 Failed (its machine or Docker Engine was restarted), report 3 Failed (its container was removed from outside), create 4"#]],
    );
}

#[test]
fn doubt_is_resolved_by_listing() {
    check(
        "again; begun; listed; all 1=run 2=run; fail 1 create away; fail 2 create away; put 1=run;
         begun; listed 2=created",
        expect![[r#"
            all 1=run 2=run: report 1 Accepted, create 1, report 2 Accepted, create 2
            fail 1 create away: list
            fail 2 create away: list
            listed 2=created: create 1, report 2 Starting, start 2"#]],
    );
    // A listing that began before something happened does not undo it.
    check(
        "again; begun; listed 9=running; begun; all 1=run 9=run; done 1 created; done 1 started;
         event 9 died:0; listed 9=running",
        expect![[r#"
            all 1=run 9=run: report 1 Accepted, create 1, report 9 Running
            done 1 created: report 1 Starting, start 1
            done 1 started: report 1 Running
            event 9 died:0: report 9 Complete"#]],
    );
    // An operation that failed during the listing is still in doubt after it.
    check(
        "again; begun; listed 1=running; all 1=stop; begun; fail 1 stop away; listed; begun; listed",
        expect![[r#"
            all 1=stop: report 1 Running, stop 1
            fail 1 stop away: list
            listed: report 1 Shutdown"#]],
    );
}
