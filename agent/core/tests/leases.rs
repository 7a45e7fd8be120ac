//! What must not run twice: started, kept and ended by the node's lease.

mod story;

use expect_test::expect;
use story::check;

#[test]
fn it_starts_only_with_room_and_ends_before_the_lease() {
    check(
        "again; begun; listed; all 1=run-once 2=run; done 1 created; done 2 created;
         done 2 started; room to-run; room to-start; done 1 started; room to-run; room none;
         event 1 died:143; done 1 stopped; room to-start",
        expect![[r#"
            all 1=run-once 2=run: report 1 Accepted, create 1, report 2 Accepted, create 2
            done 1 created: report 1 Starting "waits for a lease: its managers must say that it runs nowhere else"
            done 2 created: report 2 Starting, start 2
            done 2 started: report 2 Running
            room to-start: start 1
            done 1 started: report 1 Running
            room none: report 1 Running "being stopped: its node was cut off from the managers, and it must not run twice", cut 1
            event 1 died:143: report 1 Failed (its node was cut off from the managers, and it must not run twice)"#]],
    );
}

#[test]
fn a_start_that_finds_no_lease_waits_for_the_next() {
    check(
        "again; begun; listed; room to-start; all 1=run-once; done 1 created; room none;
         fail 1 start no-lease; room to-start; done 1 started",
        expect![[r#"
            all 1=run-once: report 1 Accepted, create 1
            done 1 created: report 1 Starting, start 1
            fail 1 start no-lease: report 1 Starting "waits for a lease: its managers must say that it runs nowhere else"
            room to-start: start 1
            done 1 started: report 1 Running"#]],
    );
}

#[test]
fn who_was_halted_was_cut_off() {
    // It was running, it was about to start, and an agent that has just begun finds it so.
    check(
        "again; begun; listed; room to-start; all 1=run-once 2=run-once; done 1 created;
         done 2 created; done 1 started; room none; event 1 halted; event 2 halted;
         fail 2 start no-container",
        expect![[r#"
            all 1=run-once 2=run-once: report 1 Accepted, create 1, report 2 Accepted, create 2
            done 1 created: report 1 Starting, start 1
            done 2 created: report 2 Starting, start 2
            done 1 started: report 1 Running
            room none: report 1 Running "being stopped: its node was cut off from the managers, and it must not run twice", cut 1
            event 1 halted: report 1 Failed (its node was cut off from the managers, and it must not run twice)
            event 2 halted: report 2 Failed (its node was cut off from the managers, and it must not run twice)"#]],
    );
    check(
        "again; begun; listed 1=halted 2=halted; all 1=run-once 2=stop-once",
        expect![
            "all 1=run-once 2=stop-once: report 1 Failed (its node was cut off from the managers, and it must not run twice), report 2 Shutdown"
        ],
    );
}

#[test]
fn who_may_start_at_any_moment_has_not_ended() {
    // Its start was asked for by an agent that died over it.
    check(
        "again; begun; listed 1=begun 2=begun 3=begun; room to-start;
         all 1=run-once 2=stop-once 3=stop-once; done 1 started; event 2 started;
         fail 2 remove refused; begun; listed 1=running 2=running; done 2 stopped; done 3 removed",
        expect![[r#"
            all 1=run-once 2=stop-once 3=stop-once: report 1 Starting, start 1, report 2 Starting, remove 2, report 3 Starting, remove 3
            done 1 started: report 1 Running
            event 2 started: report 2 Running
            fail 2 remove refused: list later
            listed 1=running 2=running: stop 2
            done 2 stopped: report 2 Shutdown
            done 3 removed: report 3 Shutdown"#]],
    );
}

#[test]
fn who_is_stopped_anyway_is_not_cut_off() {
    check(
        "again; begun; listed 1=running 2=running; room to-start; all 1=run-once 2=stop-once;
         room none; put 1=stop-once; event 1 died:137; event 2 died:137",
        expect![[r#"
            all 1=run-once 2=stop-once: report 1 Running, report 2 Running, stop 2
            room none: report 1 Running "being stopped: its node was cut off from the managers, and it must not run twice", cut 1
            event 1 died:137: report 1 Shutdown
            event 2 died:137: report 2 Shutdown"#]],
    );
}

#[test]
fn before_its_managers_have_spoken_nothing_is_ended() {
    check(
        "again; begun; listed 1=running; room to-start; room none; all 1=run-once; room to-start;
         done 1 stopped",
        expect![[r#"
            all 1=run-once: report 1 Accepted "being stopped: its node was cut off from the managers, and it must not run twice", cut 1
            done 1 stopped: report 1 Failed (its node was cut off from the managers, and it must not run twice)"#]],
    );
}
