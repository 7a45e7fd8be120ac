//! The tale of the missing image, story by story.

mod world;

use expect_test::{Expect, expect};

fn check(story: &str, decided: Expect) {
    decided.assert_eq(&world::play(story));
}

#[test]
fn rasp11_is_tried_once_and_then_left_alone_until_it_has_the_image() {
    check(
        "node rasp10
         node rasp11
         has rasp10 web:1
         has rasp11
         service consumer replicas=2
         plan
         consumer.1 running
         consumer.2 no-image
         plan
         scale consumer 4
         plan
         has rasp11 web:1
         scale consumer 6
         plan",
        expect![[r#"
            consumer.1 on rasp10 new
            consumer.2 on rasp11 new
            --
            consumer.2 on rasp10 new
            --
            consumer.3 on rasp10 new
            consumer.4 on rasp10 new
            --
            consumer.5 on rasp11 new
            consumer.6 on rasp11 new
        "#]],
    );
}

#[test]
fn one_task_finds_out_for_the_others() {
    check(
        "node a
         has a
         service web replicas=3
         plan
         web.1 no-image
         plan
         has a web:1
         plan",
        expect![[r#"
            web.1 on a new
            web.2 new
            web.2 waits: no suitable node: 1 fetching the image
            web.3 new
            web.3 waits: no suitable node: 1 fetching the image
            --
            web.1 new
            web.1 waits: no suitable node: 1 without the image
            web.2 waits: no suitable node: 1 without the image
            web.3 waits: no suitable node: 1 without the image
            --
            web.1 on a placed
            web.2 on a placed
            web.3 on a placed
        "#]],
    );
}

/// However little of its history is kept.
#[test]
fn a_registry_that_stays_silent_is_asked_ever_more_rarely() {
    let mut story = "node a
        has a
        service web replicas=1
        plan"
        .to_owned();
    for pause in [10, 20, 40, 80, 160, 300, 300, 300] {
        story += &format!("\nweb.1 no-registry\nplan\nadvance {pause}s\nplan");
    }
    let told = world::play(&story);
    let pauses: Vec<&str> = told.lines().filter(|it| it.starts_with("look again")).collect();
    let expected = [9_999, 19_999, 39_999, 79_999, 159_999, 299_999, 299_999, 299_999];
    assert_eq!(pauses, expected.map(|it| format!("look again in {it} ms")), "{told}");
}

#[test]
fn a_silent_registry_is_asked_again_later() {
    check(
        "node a
         has a
         service web replicas=1
         plan
         web.1 no-registry
         plan
         advance 10s
         plan
         web.1 no-registry
         plan",
        expect![[r#"
            web.1 on a new
            --
            look again in 9999 ms
            web.1 new
            web.1 waits: no suitable node: 1 without the image
            --
            web.1 on a placed
            --
            look again in 19999 ms
            web.1 new
            web.1 waits: no suitable node: 1 without the image
        "#]],
    );
}
