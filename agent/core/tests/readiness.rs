//! Tasks that are made ready before they may start, and tasks that count as running only once
//! their health check says so.

mod story;

use expect_test::expect;
use story::check;

#[test]
fn what_is_prepared_waits_for_its_turn() {
    check(
        "again; begun; listed; all 1=ready; fail 1 create image-missing; done 1 pulled;
         done 1 created; begun; listed 1=created; put 1=run; done 1 started",
        expect![[r#"
            all 1=ready: report 1 Accepted, create 1
            fail 1 create image-missing: report 1 Preparing "pulling redis:7", pull 1
            done 1 pulled: create 1
            done 1 created: report 1 Ready
            put 1=run: report 1 Starting, start 1
            done 1 started: report 1 Running"#]],
    );
    // It becomes its turn at any point on the way.
    check(
        "again; begun; listed; all 1=ready 2=ready; put 1=run; done 1 created;
         fail 2 create image-missing; put 2=run; done 2 pulled; done 2 created",
        expect![[r#"
            all 1=ready 2=ready: report 1 Accepted, create 1, report 2 Accepted, create 2
            done 1 created: report 1 Starting, start 1
            fail 2 create image-missing: report 2 Preparing "pulling redis:7", pull 2
            done 2 pulled: create 2
            done 2 created: report 2 Starting, start 2"#]],
    );
    // A manager that comes back is told.
    check(
        "again; begun; listed; all 1=ready; done 1 created; standing; all 1=ready; standing",
        expect![[r#"
            all 1=ready: report 1 Accepted, create 1
            done 1 created: report 1 Ready
            standing: report 1 Ready
            standing: report 1 Ready"#]],
    );
}

#[test]
fn what_is_prepared_and_not_wanted_any_more_never_starts() {
    check(
        "again; begun; listed; all 1=ready 2=ready 3=ready 4=ready 5=ready; done 1 created;
         done 2 created; done 3 created; put 1=stop 2=remove; gone 3; put 4=stop; gone 5;
         done 2 removed; done 3 removed; done 4 created; done 5 created; done 5 removed; all;
         done 1 removed; done 4 removed; empty",
        expect![[r#"
            all 1=ready 2=ready 3=ready 4=ready 5=ready: report 1 Accepted, create 1, report 2 Accepted, create 2, report 3 Accepted, create 3, report 4 Accepted, create 4, report 5 Accepted, create 5
            done 1 created: report 1 Ready
            done 2 created: report 2 Ready
            done 3 created: report 3 Ready
            put 1=stop 2=remove: report 1 Shutdown, report 2 Shutdown, remove 2
            gone 3: remove 3
            done 4 created: report 4 Shutdown
            done 5 created: remove 5
            all: remove 1, remove 4
            empty: true"#]],
    );
    check(
        "again; begun; listed; all 1=ready; fail 1 create image-missing; put 1=stop; done 1 pulled",
        expect![[r#"
            all 1=ready: report 1 Accepted, create 1
            fail 1 create image-missing: report 1 Preparing "pulling redis:7", pull 1
            put 1=stop: report 1 Shutdown"#]],
    );
    check(
        "again; begun; listed; all 1=ready 2=ready; fail 1 create bind;
         fail 2 create image-missing; fail 2 pull no-image; put 1=run 2=run",
        expect![[r#"
            all 1=ready 2=ready: report 1 Accepted, create 1, report 2 Accepted, create 2
            fail 1 create bind: report 1 Rejected (bind source path does not exist on this node: /data)
            fail 2 create image-missing: report 2 Preparing "pulling redis:7", pull 2
            fail 2 pull no-image: report 2 Rejected (No such image: redis:7 (why))"#]],
    );
}

#[test]
fn what_is_prepared_survives_restarts() {
    // Of the agent.
    check(
        "again; begun; listed 1=created 2=created 3=created; all 1=ready 2=run 3=stop; put 1=run",
        expect![[r#"
            all 1=ready 2=run 3=stop: report 1 Ready, report 2 Starting, start 2, report 3 Shutdown
            put 1=run: report 1 Starting, start 1"#]],
    );
    // Of the machine, and of the engine.
    check(
        "first; begun; listed 1=created; all 1=ready; lost; put 1=run; begun; listed 1=created",
        expect![[r#"
            all 1=ready: report 1 Ready
            listed 1=created: report 1 Starting, start 1"#]],
    );
    // What was being created when the engine went away.
    check(
        "again; begun; listed; all 1=ready 2=ready; lost; fail 1 create away; fail 2 create away;
         begun; listed 1=created",
        expect![[r#"
            all 1=ready 2=ready: report 1 Accepted, create 1, report 2 Accepted, create 2
            fail 1 create away: list
            fail 2 create away: list
            listed 1=created: report 1 Ready, create 2"#]],
    );
}

#[test]
fn what_is_prepared_is_meddled_with() {
    // Removed: the managers make another one.
    check(
        "again; begun; listed 2=created; all 1=ready 2=ready; done 1 created; event 1 removed;
         begun; listed",
        expect![[r#"
            all 1=ready 2=ready: report 1 Accepted, create 1, report 2 Ready
            done 1 created: report 1 Ready
            event 1 removed: report 1 Failed (its container was removed from outside)
            listed: report 2 Failed (its container was removed from outside)"#]],
    );
    // Started by hand while another task has its slot: there must not be two of them.
    check(
        "again; begun; listed; all 1=ready; done 1 created; event 1 started; put 1=run;
         event 1 died:143; done 1 stopped",
        expect![[r#"
            all 1=ready: report 1 Accepted, create 1
            done 1 created: report 1 Ready
            event 1 started: report 1 Ready "being stopped: its container was started from outside, before its turn", stop 1
            event 1 died:143: report 1 Failed (its container was started from outside, before its turn)"#]],
    );
    check(
        "again; begun; listed 1=healthy 2=exited:0; all 1=ready 2=ready",
        expect![[
            r#"all 1=ready 2=ready: report 1 Accepted "being stopped: its container was started from outside, before its turn", stop 1, report 2 Failed (its container was started from outside, before its turn)"#
        ]],
    );
    // By hand, but when it is its turn anyway.
    check(
        "again; begun; listed; all 1=ready; done 1 created; put 1=run; event 1 started;
         done 1 started",
        expect![[r#"
            all 1=ready: report 1 Accepted, create 1
            done 1 created: report 1 Ready
            put 1=run: report 1 Starting, start 1
            event 1 started: report 1 Running"#]],
    );
}

#[test]
fn a_task_runs_once_its_check_says_so() {
    // Whatever comes first of the engine's answer and its events.
    check(
        "again; begun; listed; all 1=run 2=run 3=run; done 1 created; done 2 created;
         done 3 created; done 1 started:engine-starting; event 1 started:engine-starting;
         event 2 started:engine-starting; done 2 started:engine-starting;
         event 1 check:healthy; event 2 check:healthy; event 3 check:healthy;
         done 3 started:engine-starting; event 1 check:unhealthy:refused",
        expect![[r#"
            all 1=run 2=run 3=run: report 1 Accepted, create 1, report 2 Accepted, create 2, report 3 Accepted, create 3
            done 1 created: report 1 Starting, start 1
            done 2 created: report 2 Starting, start 2
            done 3 created: report 3 Starting, start 3
            done 1 started:engine-starting: report 1 Starting "health check: no success yet"
            event 2 started:engine-starting: report 2 Starting "health check: no success yet"
            event 1 check:healthy: report 1 Running
            event 2 check:healthy: report 2 Running
            event 3 check:healthy: report 3 Running
            event 1 check:unhealthy:refused: report 1 Running "being stopped: its health check failed (refused)", stop 1"#]],
    );
    // A word from before the first success does not undo it.
    check(
        "again; begun; listed; all 1=run; done 1 created; event 1 started:starting;
         event 1 check:healthy; done 1 started:starting; begun; listed 1=starting;
         event 1 check:healthy",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            done 1 created: report 1 Starting, start 1
            event 1 started:starting: report 1 Starting "health check: no success yet"
            event 1 check:healthy: report 1 Running"#]],
    );
    // Prepared, then checked.
    check(
        "again; begun; listed; all 1=ready; done 1 created; put 1=run;
         done 1 started:engine-starting; event 1 check:healthy",
        expect![[r#"
            all 1=ready: report 1 Accepted, create 1
            done 1 created: report 1 Ready
            put 1=run: report 1 Starting, start 1
            done 1 started:engine-starting: report 1 Starting "health check: no success yet"
            event 1 check:healthy: report 1 Running"#]],
    );
}

#[test]
fn who_is_unhealthy_fails_and_is_stopped() {
    check(
        "again; begun; listed 1=healthy 2=engine-starting; all 1=run 2=run;
         event 1 check:unhealthy:refused; event 1 died:143; done 1 stopped;
         begun; listed 1=exited:143 2=unhealthy:timeout; event 2 check:healthy; done 2 stopped",
        expect![[r#"
            all 1=run 2=run: report 1 Running, report 2 Starting "health check: no success yet"
            event 1 check:unhealthy:refused: report 1 Running "being stopped: its health check failed (refused)", stop 1
            event 1 died:143: report 1 Failed (its health check failed (refused))
            listed 1=exited:143 2=unhealthy:timeout: report 2 Starting "being stopped: its health check failed (timeout)", stop 2
            done 2 stopped: report 2 Failed (its health check failed (timeout))"#]],
    );
    // The agent was away when it happened, or when it was to be stopped.
    check(
        "again; begun; listed 1=unhealthy:refused; all 1=run",
        expect![[
            r#"all 1=run: report 1 Accepted "being stopped: its health check failed (refused)", stop 1"#
        ]],
    );
    // Who is to be stopped anyway does not fail.
    check(
        "again; begun; listed 1=engine-starting 2=healthy; all 1=stop 2=stop;
         event 1 check:unhealthy:refused; event 2 check:unhealthy:refused; done 1 stopped;
         done 2 stopped",
        expect![[r#"
            all 1=stop 2=stop: report 1 Starting, stop 1, report 2 Running, stop 2
            done 1 stopped: report 1 Shutdown
            done 2 stopped: report 2 Shutdown"#]],
    );
    // An old word on what has ended by itself.
    check(
        "again; begun; listed 1=healthy; all 1=run; event 1 died:0; event 1 check:unhealthy:refused",
        expect![[r#"
            all 1=run: report 1 Running
            event 1 died:0: report 1 Complete"#]],
    );
}

#[test]
fn people_are_told_how_far_the_check_is() {
    check(
        "again; begun; listed; all 1=run; done 1 created; done 1 started:engine-starting;
         begun; listed 1=starting:2:refused; begun; listed 1=starting:2:refused",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            done 1 created: report 1 Starting, start 1
            done 1 started:engine-starting: report 1 Starting "health check: no success yet"
            listed 1=starting:2:refused: report 1 Starting "health check: 2 of 3 failures so far: refused", probe 1 #1 in 5 s"#]],
    );
}

#[test]
fn the_agent_looks_itself_until_the_first_success() {
    check(
        "again; begun; listed; all 1=run; done 1 created; event 1 started:starting;
         done 1 started:starting; probed 1 7 healthy; probed 1 1 starting:0:refused;
         begun; listed 1=starting; probed 1 2 fail:away; probed 1 3 healthy; begun;
         listed 1=starting; event 1 check:healthy",
        expect![[r#"
            all 1=run: report 1 Accepted, create 1
            done 1 created: report 1 Starting, start 1
            event 1 started:starting: report 1 Starting "health check: no success yet"
            done 1 started:starting: probe 1 #1 in 5 s
            probed 1 1 starting:0:refused: report 1 Starting "health check: no success yet: refused", probe 1 #2 in 5 s
            probed 1 2 fail:away: probe 1 #3 in 5 s
            probed 1 3 healthy: report 1 Running"#]],
    );
    // What the engine counted ends it.
    check(
        "again; begun; listed 1=starting; all 1=run; probed 1 1 starting:2:refused;
         probed 1 2 unhealthy:refused; done 1 stopped",
        expect![[r#"
            all 1=run: report 1 Starting "health check: no success yet", probe 1 #1 in 5 s
            probed 1 1 starting:2:refused: report 1 Starting "health check: 2 of 3 failures so far: refused", probe 1 #2 in 5 s
            probed 1 2 unhealthy:refused: report 1 Starting "being stopped: its health check failed (refused)", stop 1
            done 1 stopped: report 1 Failed (its health check failed (refused))"#]],
    );
    // The engine's own check was first.
    check(
        "again; begun; listed 1=starting; all 1=run; event 1 check:healthy; probed 1 1 healthy",
        expect![[r#"
            all 1=run: report 1 Starting "health check: no success yet", probe 1 #1 in 5 s
            event 1 check:healthy: report 1 Running"#]],
    );
}

#[test]
fn nothing_is_looked_at_in_vain() {
    // Before a manager has spoken, before anything is sure, and what is not wanted.
    check(
        "again; begun; listed 1=starting; all 1=stop",
        expect!["all 1=stop: report 1 Starting, stop 1"],
    );
    check(
        "again; begun; listed 1=starting; all 1=run; lost; probed 1 1 fail:away; begun;
         listed 1=starting",
        expect![[r#"
            all 1=run: report 1 Starting "health check: no success yet", probe 1 #1 in 5 s
            listed 1=starting: probe 1 #2 in 5 s"#]],
    );
    check(
        "again; begun; listed 1=starting; all 1=run; put 1=stop; probed 1 1 starting; done 1 stopped",
        expect![[r#"
            all 1=run: report 1 Starting "health check: no success yet", probe 1 #1 in 5 s
            put 1=stop: stop 1
            done 1 stopped: report 1 Shutdown"#]],
    );
    check(
        "again; begun; listed 1=starting; all 1=run; event 1 died:1; probed 1 1 healthy",
        expect![[r#"
            all 1=run: report 1 Starting "health check: no success yet", probe 1 #1 in 5 s
            event 1 died:1: report 1 Failed (task: non-zero exit (1))"#]],
    );
}
