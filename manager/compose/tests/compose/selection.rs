//! What of a project is meant: profiles, chosen services, the stack's name, strictness.

use crate::door::{Memory, check, check_with, request};
use expect_test::expect;

const PROFILES: (&str, &str) = (
    "compose.yml",
    "services:
  foo: {image: foo}
  bar: {image: bar, profiles: [test]}
  baz: {image: baz, profiles: [test], depends_on: [bar]}
  zot: {image: zot, profiles: [debug], depends_on: [bar]}
  opt: {image: opt, depends_on: {bar: {condition: service_started, required: false}}}
volumes: {unused: }
",
);

#[test]
fn profiles() {
    check(
        &[PROFILES],
        expect![[r#"
            name: demo
            services:
              foo:
                image: foo
              opt:
                image: opt
        "#]],
    );
    check_with(
        &[PROFILES],
        |it| it.profiles = vec!["test".into()],
        expect![[r#"
        name: demo
        services:
          bar:
            image: bar
          baz:
            depends_on:
              bar:
                condition: service_started
            image: baz
          foo:
            image: foo
          opt:
            depends_on:
              bar:
                condition: service_started
                required: false
            image: opt
    "#]],
    );
    check_with(
        &[PROFILES],
        |it| it.profiles = vec!["debug".into()],
        expect![[r#"
        compose.yml:5:53: service `bar` is needed here, but its profile is off; choose one of: test
    "#]],
    );
    let variable = ("COMPOSE_PROFILES".to_owned(), "test,debug".to_owned());
    check_with(
        &[PROFILES],
        |it| it.environment.extend([variable.clone()]),
        expect![[r#"
        name: demo
        services:
          bar:
            image: bar
          baz:
            depends_on:
              bar:
                condition: service_started
            image: baz
          foo:
            image: foo
          opt:
            depends_on:
              bar:
                condition: service_started
                required: false
            image: opt
          zot:
            depends_on:
              bar:
                condition: service_started
            image: zot
    "#]],
    );
}

#[test]
fn chosen_services() {
    let choose = |name: &'static str| {
        move |it: &mut compose::Request| {
            it.services = vec![name.to_owned()];
        }
    };
    check_with(
        &[PROFILES],
        choose("baz"),
        expect![[r#"
        name: demo
        services:
          bar:
            image: bar
          baz:
            depends_on:
              bar:
                condition: service_started
            image: baz
    "#]],
    );
    check_with(
        &[PROFILES],
        choose("zot"),
        expect![[r#"
        compose.yml:5:53: service `bar` is needed here, but its profile is off; choose one of: test
    "#]],
    );
    check_with(
        &[PROFILES],
        choose("opt"),
        expect![[r#"
            name: demo
            services:
              opt:
                image: opt
        "#]],
    );
    check_with(
        &[PROFILES],
        choose("foz"),
        expect![[r#"
            there is no service `foz`; did you mean `foo`?
        "#]],
    );
}

#[test]
fn the_stack_s_name() {
    let file = ("compose.yml", "name: ${X:-own}\nservices: {a: {image: $COMPOSE_PROJECT_NAME}}");
    check(
        &[file],
        expect![[r#"
        name: demo
        services:
          a:
            image: demo
    "#]],
    );
    check_with(
        &[file],
        |it| it.stack = None,
        expect![[r#"
        name: own
        services:
          a:
            image: own
    "#]],
    );
    let nameless = ("compose.yml", "services: {a: {image: a}}");
    check_with(
        &[nameless],
        |it| it.stack = None,
        expect![[r#"
        the stack has no name; name it on the command line, or by `name:` at the top of the file
    "#]],
    );
    check_with(
        &[nameless],
        |it| it.stack = Some("a/b".into()),
        expect![[r#"
        `a/b` is not a stack's name: only letters, digits, `-`, `_` and `.` may be in it
    "#]],
    );
    check(
        &[("-", "services: {a: {image: a, volumes: [./x:/x]}}")],
        expect![[r#"
            name: demo
            services:
              a:
                image: a
                volumes:
                  - bind:
                      create_host_path: true
                      x-this-node: true
                    read_only: false
                    source: "/srv/my stack: one/x"
                    target: /x
                    type: bind
        "#]],
    );
}

#[test]
fn strictness_makes_errors_of_warnings() {
    let file = ("compose.yml", "services: {a: {image: a, attach: true, hostname: $GONE}}");
    check(
        &[file],
        expect![[r#"
            name: demo
            services:
              a:
                hostname: ""
                image: a
            warning: compose.yml:1:26: `attach` is ignored: logs are shown when they are asked for
            warning: compose.yml:1:50: variable `GONE` is not set; nothing stands in its place
        "#]],
    );
    let strict = |it: &mut compose::Request| it.strictness = compose::Strictness::Strict;
    check_with(
        &[file],
        strict,
        expect![[r#"
            compose.yml:1:26: `attach` is ignored: logs are shown when they are asked for
            compose.yml:1:50: variable `GONE` is not set; nothing stands in its place
        "#]],
    );
}

#[test]
fn warnings_stand_beside_errors_that_they_may_explain() {
    let file = ("compose.yml", "services: {a: {image: $GONE, attach: true}}");
    let outcome = compose::load(&request(&["compose.yml"]), &Memory::of(&[file]));
    let problems = outcome.expect_err("a service without an image");
    let shown =
        |it: &[compose::Problem]| -> Vec<String> { it.iter().map(ToString::to_string).collect() };
    assert_eq!(shown(&problems.found), ["compose.yml:1:12: service `a` has no `image`"]);
    assert_eq!(
        shown(&problems.warnings),
        [
            "compose.yml:1:23: variable `GONE` is not set; nothing stands in its place",
            "compose.yml:1:30: `attach` is ignored: logs are shown when they are asked for",
        ]
    );
}

/// A password with a dollar must not become a shorter one without a word.
#[test]
fn files_of_variables_say_which_are_not_set() {
    let files = [
        ("compose.yml", "services: {web: {image: a, env_file: b.env, command: $A}}"),
        (".env", "A='pa$word1'\n"),
        ("b.env", "B=pa$word2\nC='pa$word3'"),
    ];
    check(
        &files,
        expect![[r#"
        name: demo
        services:
          web:
            command: "pa$$word1"
            environment:
              B: pa
              C: "pa$$word3"
            image: a
        warning: b.env:1:1: variable `word2` is not set; nothing stands in its place; a dollar in single quotes is a dollar
    "#]],
    );
}
