//! Several files as one: variables, merging, `extends` and `include`.

use crate::door::{check, check_with};
use expect_test::expect;
use std::path::PathBuf;

#[test]
fn variables_come_from_the_shell_and_from_files() {
    let files = [
        ("compose.yml", "services: {web: {image: 'a:${TAG}', command: [$A, '${B:-b}', $$C, $D]}}"),
        (".env", "# comment\nTAG=from-file\nA=\"x ${TAG}\" # comment\nexport B='$y'\n"),
    ];
    check(
        &files,
        expect![[r#"
            name: demo
            services:
              web:
                command:
                  - x 7
                  - "$$y"
                  - "$$C"
                  - ""
                image: a:7
            warning: compose.yml:1:67: variable `D` is not set; nothing stands in its place
        "#]],
    );
    let other = [files[0], files[1], ("one.env", "A=1\nB=2"), ("two.env", "B=3\nD=4")];
    let env_files = ["one.env", "two.env"].map(PathBuf::from);
    check_with(
        &other,
        |it| it.env_files = env_files.to_vec(),
        expect![[r#"
        name: demo
        services:
          web:
            command:
              - 1
              - "3"
              - "$$C"
              - 4
            image: a:7
    "#]],
    );
    check_with(
        &files,
        |it| it.env_files = vec!["none.env".into()],
        expect![[r#"
            none.env: it cannot be read: it is not there
        "#]],
    );
}

#[test]
fn variables_of_a_service() {
    check(
        &[
            (
                "compose.yml",
                "services:
  web:
    image: a
    env_file: [{path: a.env}, {path: gone.env, required: false}, {path: raw.env, format: raw}]
    environment: {OWN: x$TAG, TAG: , GONE: , VERSION: 1.10, NO: no, OCTAL: 0400, TIME: 22:22}
    labels: [one=1, two]
",
            ),
            ("a.env", "OWN=file\nTAG=file\nFILE=${OWN}-${TAG}\nMULTI=\"a\\nb\nc\"\nHOME\nUNSET\n"),
            ("raw.env", "RAW='$x' # y\n"),
        ],
        expect![[r#"
            name: demo
            services:
              web:
                environment:
                  FILE: file-7
                  HOME: /people/ann
                  MULTI: "a\nb\nc"
                  NO: no
                  OCTAL: 0400
                  OWN: x7
                  RAW: "'$$x' # y"
                  TAG: "7"
                  TIME: "22:22"
                  VERSION: 1.10
                image: a
                labels:
                  one: "1"
                  two:
        "#]],
    );
}

const MAPPINGS: [(&str, &str); 2] = [
    (
        "compose.yml",
        "services:
  web:
    image: a
    command: [one]
    entrypoint: /one
    healthcheck: {test: [CMD, one], retries: 1}
    environment: [A=1, B=2]
    logging: {driver: syslog, options: {a: b}}
    ulimits: {nofile: 10, nproc: 1}
    depends_on: [db]
    deploy: {labels: [x=1]}
  db: {image: db}
",
    ),
    (
        "compose.override.yml",
        "services:
  web:
    command: two
    entrypoint: [/two, x]
    healthcheck: {test: two}
    environment: {B: 3, C: 4}
    logging: {driver: json-file, options: {c: d}}
    ulimits: {nofile: {soft: 1, hard: 2}}
    depends_on: {db: {condition: service_healthy}}
    deploy: {labels: {y: 2}}
",
    ),
];

#[test]
fn scalars_and_mappings_of_later_files_win() {
    check(
        &MAPPINGS,
        expect![[r#"
            name: demo
            services:
              db:
                image: db
              web:
                command: two
                depends_on:
                  db:
                    condition: service_healthy
                deploy:
                  labels:
                    x: "1"
                    y: 2
                entrypoint:
                  - /two
                  - x
                environment:
                  A: "1"
                  B: 3
                  C: 4
                healthcheck:
                  retries: 1
                  test: two
                image: a
                logging:
                  driver: json-file
                  options:
                    c: d
                ulimits:
                  nofile:
                    hard: 2
                    soft: 1
                  nproc:
                    hard: 1
                    soft: 1
        "#]],
    );
}

const LISTS: [(&str, &str); 2] = [
    (
        "compose.yml",
        "services:
  web:
    image: a
    ports: ['80:80', '443:443']
    volumes: ['one:/work:ro', './x:/x', 'one:/other']
    secrets: [s]
    dns: 1.1.1.1
    networks: [back]
    deploy: {placement: {constraints: [node.role==worker]}}
volumes: {one: , two: }
networks: {back: , front: }
secrets: {s: {file: ./s.txt}}
",
    ),
    (
        "compose.override.yml",
        "services:
  web:
    ports: ['80:80', '8443:443']
    volumes: ['two:/work', {type: tmpfs, target: /x}]
    secrets: [{source: s, mode: 0400}]
    dns: [8.8.8.8, 1.1.1.1]
    networks: {front: {aliases: [w]}}
    deploy: {placement: {constraints: [node.labels.a==b, node.role==worker]}}
",
    ),
];

#[test]
fn lists_of_later_files_are_added() {
    check(
        &LISTS,
        expect![[r#"
            name: demo
            services:
              web:
                deploy:
                  placement:
                    constraints:
                      - node.role==worker
                      - node.labels.a==b
                dns:
                  - 1.1.1.1
                  - 8.8.8.8
                image: a
                networks:
                  back:
                  front:
                    aliases:
                      - w
                ports:
                  - protocol: tcp
                    published: 80
                    target: 80
                  - protocol: tcp
                    published: 443
                    target: 443
                  - protocol: tcp
                    published: 8443
                    target: 443
                secrets:
                  - mode: 0400
                    source: s
                volumes:
                  - read_only: false
                    source: two
                    target: /work
                    type: volume
                  - target: /x
                    type: tmpfs
                  - read_only: false
                    source: one
                    target: /other
                    type: volume
            networks:
              back:
              front:
            volumes:
              one:
              two:
            secrets:
              s:
                file: "/srv/my stack: one/s.txt"
        "#]],
    );
}

#[test]
fn reset_and_override() {
    check(
        &[
            (
                "compose.yml",
                "services:
  web: {image: a, ports: ['80:80'], environment: {A: 1, B: 2}, privileged: true, dns: [1.1.1.1],
    volumes: [a:/a]}
  gone: {image: b, build: .}
volumes: {a: }
",
            ),
            (
                "compose.override.yml",
                "services:
  web:
    ports: !override ['81:81']
    environment: {A: !reset null, C: 3}
    privileged: !reset
    dns: !reset []
    volumes: !reset []
  gone: !reset
",
            ),
        ],
        expect![[r#"
            name: demo
            services:
              web:
                environment:
                  B: 2
                  C: 3
                image: a
                ports:
                  - protocol: tcp
                    published: 81
                    target: 81
        "#]],
    );
}

#[test]
fn anchors_and_merges() {
    check(
        &[(
            "compose.yml",
            "x-one: &one {image: a, environment: &env {A: 1, B: 2}}
x-two: &two {image: b, tty: true}
services:
  web: {<<: [*one, *two], environment: {<<: *env, B: 3}}
  api: {<<: *two, command: &c [x], labels: {own: '${TAG}'}}
  job: {<<: *one, command: *c}
",
        )],
        expect![[r#"
            name: demo
            services:
              api:
                command:
                  - x
                image: b
                labels:
                  own: "7"
                tty: true
              job:
                command:
                  - x
                environment:
                  A: 1
                  B: 2
                image: a
              web:
                environment:
                  A: 1
                  B: 3
                image: a
                tty: true
        "#]],
    );
}

#[test]
fn a_service_extends_another() {
    check(
        &[
            (
                "compose.yml",
                "services:
  web: {extends: {file: common/base.yml, service: app}, environment: {B: 3}, volumes: [./own:/own]}
  more: {extends: web, command: [more]}
",
            ),
            (
                "common/base.yml",
                "services:
  root: {image: 'base:${TAG}', environment: [A=1, B=2], volumes: ['./data:/data'], restart: always}
  app: {extends: {service: root}, env_file: app.env}
",
            ),
            ("common/app.env", "FROM=file"),
        ],
        expect![[r#"
            name: demo
            services:
              more:
                command:
                  - more
                environment:
                  A: "1"
                  B: 3
                  FROM: file
                image: base:7
                restart: always
                volumes:
                  - bind:
                      create_host_path: true
                      x-this-node: true
                    read_only: false
                    source: "/srv/my stack: one/common/data"
                    target: /data
                    type: bind
                  - bind:
                      create_host_path: true
                      x-this-node: true
                    read_only: false
                    source: "/srv/my stack: one/own"
                    target: /own
                    type: bind
              web:
                environment:
                  A: "1"
                  B: 3
                  FROM: file
                image: base:7
                restart: always
                volumes:
                  - bind:
                      create_host_path: true
                      x-this-node: true
                    read_only: false
                    source: "/srv/my stack: one/common/data"
                    target: /data
                    type: bind
                  - bind:
                      create_host_path: true
                      x-this-node: true
                    read_only: false
                    source: "/srv/my stack: one/own"
                    target: /own
                    type: bind
        "#]],
    );
}

#[test]
fn a_project_includes_others() {
    check(
        &[
            (
                "compose.yml",
                "include: [sub/compose.yml, {path: [two/a.yml, two/b.yml], project_directory: .}]
services: {web: {image: w, depends_on: [db, cache], networks: [inner]}}
",
            ),
            (
                "sub/compose.yml",
                "include: [../deep.yml]
services: {db: {image: 'db:${VERSION}${TAG}', volumes: ['./d:/d'], networks: [inner]}}
networks: {inner: }
",
            ),
            ("sub/.env", "VERSION=1\nTAG=weaker"),
            ("deep.yml", "services: {deep: {image: deep, configs: [c]}}\nconfigs: {c: {file: c}}"),
            ("two/a.yml", "services: {cache: {image: c, volumes: ['./c:/c']}}"),
            ("two/b.yml", "services: {cache: {command: [x]}}"),
        ],
        expect![[r#"
            name: demo
            services:
              cache:
                command:
                  - x
                image: c
                volumes:
                  - bind:
                      create_host_path: true
                      x-this-node: true
                    read_only: false
                    source: "/srv/my stack: one/c"
                    target: /c
                    type: bind
              db:
                image: db:17
                networks:
                  inner:
                volumes:
                  - bind:
                      create_host_path: true
                      x-this-node: true
                    read_only: false
                    source: "/srv/my stack: one/sub/d"
                    target: /d
                    type: bind
              deep:
                configs:
                  - source: c
                image: deep
              web:
                depends_on:
                  cache:
                    condition: service_started
                  db:
                    condition: service_started
                image: w
                networks:
                  inner:
            networks:
              inner:
            configs:
              c:
                file: "/srv/my stack: one/c"
        "#]],
    );
}
