//! Files that mean nothing: each gets its line with a position, in bounded memory and time.

use crate::door::{FOLDER, Memory, request};
use std::path::{Path, PathBuf};

/// (a word for the case, the file, the problems)
const CASES: &[(&str, &str, &str)] = &[
    ("empty", "", "compose.yml: the file is empty"),
    ("only a comment", "# nothing\n", "compose.yml: the file is empty"),
    (
        "a list",
        "- a\n",
        "compose.yml:1:1: a compose file is a mapping, not a list; it begins with `services:`",
    ),
    (
        "one word",
        "services",
        "compose.yml:1:1: a compose file is a mapping, not a single value; it begins with `services:`",
    ),
    (
        "no services",
        "volumes: {a: }",
        "compose.yml:1:1: the file declares no services; it begins with `services:`",
    ),
    (
        "services as a list",
        "services: [a]",
        "compose.yml:1:11: `services` wants a mapping of names, not a list",
    ),
    (
        "a service as text",
        "services: {a: b}",
        "compose.yml:1:15: a service is a mapping, not a single value",
    ),
    ("no image", "services: {a: {command: x}}", "compose.yml:1:12: service `a` has no `image`"),
    (
        "a bad image",
        "services: {a: {image: 'A B'}}",
        "compose.yml:1:23: `A B` is not an image reference: only letters, digits and `-_./:@+` may be in it",
    ),
    (
        "a bad service name",
        "services: {'a b': {image: a}}",
        "compose.yml:1:12: `a b` is not a service's name: only letters, digits, `-`, `_` and `.` may be in it",
    ),
    (
        "an unknown key",
        "services: {a: {image: a, enviroment: {}}}",
        "compose.yml:1:26: there is no key `enviroment` in a service; did you mean `environment`?",
    ),
    (
        "an unknown top key",
        "servces: {a: {image: a}}",
        "compose.yml:1:1: there is no key `servces` in a compose file; did you mean `services`?",
    ),
    (
        "services of the first version",
        "web: {image: a}\nservice: {build: .}\n",
        "compose.yml:1:1: there is no key `web` in a compose file; it looks like a service: put it under `services:`\ncompose.yml:2:1: there is no key `service` in a compose file; it looks like a service: put it under `services:`",
    ),
    (
        "limits as the command line has them",
        "services: {a: {image: a, ulimits: {nofile: '10:20', nproc: many}}}",
        "compose.yml:1:44: ulimit `nofile` is one number for both limits or a mapping of `soft` and `hard`, not `10:20`; write {soft: 10, hard: 20}\ncompose.yml:1:60: ulimit `nproc` is one number for both limits or a mapping of `soft` and `hard`, not `many`; write {soft: 1024, hard: 2048}",
    ),
    (
        "a key in the wrong place",
        "services: {a: {image: a, replicas: 2}}",
        "compose.yml:1:26: there is no key `replicas` in a service; it belongs into `deploy`",
    ),
    (
        "a key of deploy beside it",
        "services: {a: {image: a, deploy: {image: x}}}",
        "compose.yml:1:35: there is no key `image` in `deploy`; it belongs into a service",
    ),
    (
        "a key written otherwise",
        "services: {a: {image: a, Working-Dir: /}}",
        "compose.yml:1:26: there is no key `Working-Dir` in a service; did you mean `working_dir`?",
    ),
    (
        "nobody's key",
        "services: {a: {image: a, zzzzzzzz: 1}}",
        "compose.yml:1:26: there is no key `zzzzzzzz` in a service",
    ),
    (
        "a refused key",
        "services: {a: {image: a, volumes_from: [b]}}",
        "compose.yml:1:26: `volumes_from` is refused: name the volumes under the `volumes` of both services",
    ),
    (
        "a tab",
        "services:\n\ta: {image: a}\n",
        "compose.yml:2:2: a tab indents this line; YAML wants blanks",
    ),
    (
        "a tab further on",
        "services:\n  a:\n  \timage: a\n",
        "compose.yml:3:4: a tab indents this line; YAML wants blanks",
    ),
    (
        "a bracket that stays open",
        "services: {a: [",
        "compose.yml:2:1: a value is missing here, or a bracket is not closed",
    ),
    (
        "a quote that stays open",
        "services: {a: {image: \"a}}\n",
        "compose.yml:1:23: this quote is not closed",
    ),
    (
        "bad indentation",
        "services:\n  a:\n    image: a\n   command: b\n",
        "compose.yml:4:4: this line is indented otherwise than the ones around it",
    ),
    (
        "an unknown anchor",
        "services:\n  a: *gone\n",
        "compose.yml:2:6: no anchor of this name stands above; an anchor is written &name",
    ),
    (
        "an alias in its own anchor",
        "a: &a [*a]\n",
        "compose.yml:1:8: this alias stands within its own anchor",
    ),
    (
        "a key twice",
        "services:\n  a: {image: a}\n  a: {image: b}\n",
        "compose.yml:3:3: `a` stands here for the second time; the first is in line 2",
    ),
    (
        "a key that is a list",
        "services: {[a]: {image: a}}",
        "compose.yml:1:12: a key is one word or text, not a list",
    ),
    (
        "a merge of text",
        "services: {a: {<<: b, image: a}}",
        "compose.yml:1:16: `<<` takes a mapping or a list of mappings; for example `<<: *name`",
    ),
    (
        "two documents",
        "services: {a: {image: a}}\n---\nb: c\n",
        "compose.yml:2:1: a second document begins here; a compose file is one document",
    ),
    (
        "a bad port",
        "services: {a: {image: a, ports: ['80:x']}}",
        "compose.yml:1:34: `80:x` is not a port mapping; write [ADDRESS:][PUBLISHED:]TARGET[/tcp|udp|sctp], ports being 1 to 65535 or ranges such as 8000-8010",
    ),
    (
        "a port too large",
        "services: {a: {image: a, ports: [70000, '1:2:3:4:5']}}",
        "compose.yml:1:34: `70000` is not a port mapping; write [ADDRESS:][PUBLISHED:]TARGET[/tcp|udp|sctp], ports being 1 to 65535 or ranges such as 8000-8010\ncompose.yml:1:41: `1:2:3:4:5` is not a port mapping; write [ADDRESS:][PUBLISHED:]TARGET[/tcp|udp|sctp], ports being 1 to 65535 or ranges such as 8000-8010",
    ),
    (
        "port zero",
        "services: {a: {image: a, ports: [{target: 0}]}}",
        "compose.yml:1:43: `target` wants a port from 1 to 65535, not `0`",
    ),
    (
        "ranges that do not fit",
        "services: {a: {image: a, ports: ['1-3:1-2']}}",
        "compose.yml:1:34: 3 ports are published for 2 of the container; both ranges must be of one length",
    ),
    (
        "a range backwards",
        "services: {a: {image: a, ports: ['3-1:3-1']}}",
        "compose.yml:1:34: `3-1:3-1` is not a port mapping; write [ADDRESS:][PUBLISHED:]TARGET[/tcp|udp|sctp], ports being 1 to 65535 or ranges such as 8000-8010",
    ),
    (
        "all ports, often",
        "services: {a: {image: a, ports: ['1-65535:1-65535']}}",
        "compose.yml:1:34: the service publishes more than 1024 ports here",
    ),
    (
        "a port without target",
        "services: {a: {image: a, ports: [{published: 80}]}}",
        "compose.yml:1:34: a port wants a `target`, the container's own port",
    ),
    (
        "a bad volume",
        "services: {a: {image: a, volumes: ['a:b', '/a:/b:/c:/d', '/a:/b:xy']}}",
        "compose.yml:1:36: `a:b` is not a volume: its target is not an absolute path; write [SOURCE:]TARGET[:MODE], the target being an absolute path; sources whose names have colons in them need the long form\ncompose.yml:1:43: `/a:/b:/c:/d` is not a volume: it has too many colons; write [SOURCE:]TARGET[:MODE], the target being an absolute path; sources whose names have colons in them need the long form\ncompose.yml:1:58: `/a:/b:xy` is not a volume: there is no mode `xy`; write [SOURCE:]TARGET[:MODE], the target being an absolute path; sources whose names have colons in them need the long form",
    ),
    (
        "an undeclared volume",
        "services: {a: {image: a, volumes: ['dta:/b']}}\nvolumes: {data: }",
        "compose.yml:1:36: volume `dta` is not declared; did you mean `data`?",
    ),
    (
        "a path without its dot",
        "services: {a: {image: a, volumes: ['src/x:/b']}}",
        "compose.yml:1:36: volume `src/x` is not declared; a path begins with `./`, as in `./src/x`",
    ),
    (
        "an undeclared network",
        "services: {a: {image: a, networks: [n]}}",
        "compose.yml:1:37: network `n` is not declared; declare it under the top-level `networks`",
    ),
    (
        "an undeclared secret",
        "services: {a: {image: a, secrets: [s]}}",
        "compose.yml:1:36: secret `s` is not declared; declare it under the top-level `secrets`",
    ),
    (
        "a secret from nowhere",
        "services: {a: {image: a, secrets: [s]}}\nsecrets: {s: }",
        "compose.yml:2:11: where the bytes of `s` come from is to be said once; by one of `file`, `environment`, `content` and `external: true`",
    ),
    (
        "an unset secret",
        "services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {environment: GONE}}",
        "compose.yml:2:28: variable `GONE` is not set; the bytes of `s` are its value",
    ),
    (
        "external with settings",
        "services: {a: {image: a, networks: [n]}}\nnetworks: {n: {external: true, driver: x}}",
        "compose.yml:2:32: `driver` says nothing about what is external; only `name` may stand beside `external`",
    ),
    (
        "a bad duration",
        "services: {a: {image: a, stop_grace_period: 10}}",
        "compose.yml:1:45: `stop_grace_period`: `10` is not a duration such as 10s, 1m30s or 500ms",
    ),
    (
        "a bad size",
        "services: {a: {image: a, mem_limit: 10x, shm_size: []}}",
        "compose.yml:1:37: `mem_limit`: `10x` is not a size such as 64m, 1.5g or 1GiB\ncompose.yml:1:52: `shm_size` wants a single value, not a list",
    ),
    (
        "a bad number",
        "services: {a: {image: a, deploy: {replicas: -1}}}",
        "compose.yml:1:45: `replicas` wants a whole number in its range, not `-1`",
    ),
    (
        "a bad flag",
        "services: {a: {image: a, tty: maybe}}",
        "compose.yml:1:31: `tty` wants true or false, not `maybe`",
    ),
    (
        "a bad choice",
        "services: {a: {image: a, deploy: {mode: all}}}",
        "compose.yml:1:41: `mode` wants one of replicated, global, replicated-job, global-job, not `all`",
    ),
    (
        "a bad mode of a file",
        "services: {a: {image: a, configs: [{source: c, mode: 99999}]}}\nconfigs: {c: {content: x}}",
        "compose.yml:1:54: `mode` wants an octal number such as 0440, not `99999`",
    ),
    (
        "a bad constraint",
        "services: {a: {image: a, deploy: {placement: {constraints: [zone=west]}}}}",
        "compose.yml:1:61: constraint `zone=west` has no `==` or `!=`, as in `node.labels.zone==west`",
    ),
    (
        "a global with replicas",
        "services: {a: {image: a, deploy: {mode: global, replicas: 2}}}",
        "compose.yml:1:59: a global service has a task on every node and no number of replicas; leave out `replicas`",
    ),
    (
        "two limits",
        "services: {a: {image: a, mem_limit: 1m, deploy: {resources: {limits: {memory: 2m}}}}}",
        "compose.yml:1:37: `mem_limit` and `deploy.resources.limits.memory` say different things; leave `mem_limit` out",
    ),
    (
        "another's network",
        "services: {a: {image: a, network_mode: 'service:b'}}",
        "compose.yml:1:40: `network_mode: service:b` is refused; there are `host` and `none`; tasks may run on different nodes and share no network otherwise than by `networks`",
    ),
    (
        "a command with half a quote",
        "services: {a: {image: a, command: \"it's\"}}",
        "compose.yml:1:35: `command`: a single quote is not closed in `it's`",
    ),
    (
        "a mapping for text",
        "services: {a: {image: {a: b}, command: {a: b}, labels: text}}",
        "compose.yml:1:23: `image` wants a single value, not a mapping\ncompose.yml:1:40: `command` wants a command or a list of its words, not a mapping\ncompose.yml:1:56: `labels` wants a mapping of names to values, not `text`",
    ),
    (
        "a variable that must be",
        "services: {a: {image: '${GONE:?say which}'}}",
        "compose.yml:1:23: variable `GONE` is not set or empty: say which",
    ),
    (
        "a brace that stays open",
        "services: {a: {image: '${GONE'}}",
        "compose.yml:1:23: the brace after `${` is not closed in `${GONE`",
    ),
    (
        "no variable",
        "services: {a: {image: '${A/b}'}}",
        "compose.yml:1:23: `${A/b}` is not a variable; there are ${A}, ${A:-default}, ${A:?error}, ${A:+instead}, and $$ for a dollar",
    ),
    (
        "depends on itself",
        "services: {a: {image: a, depends_on: [a]}}",
        "compose.yml:1:39: services wait for each other in a circle: `a → a`",
    ),
    (
        "a circle",
        "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [c]}\n  c: {image: c, depends_on: [b]}\n",
        "compose.yml:4:30: services wait for each other in a circle: `b → c → b`",
    ),
    (
        "links go in a circle",
        "services: {a: {image: a, links: [b]}, b: {image: b, depends_on: [a]}}",
        "compose.yml:1:66: services wait for each other in a circle: `a → b → a`",
    ),
    (
        "depends on nobody",
        "services: {web: {image: a, depends_on: [bd]}, db: {image: b}}",
        "compose.yml:1:41: there is no service `bd`; did you mean `db`?",
    ),
    (
        "extends itself",
        "services: {a: {extends: a, image: a}}",
        "compose.yml:1:25: `extends` goes in a circle: `a → a`",
    ),
    (
        "extends in a circle",
        "services: {a: {extends: b}, b: {extends: {service: a}}}",
        "compose.yml:1:42: `extends` goes in a circle: `a → b → a`",
    ),
    (
        "extends nobody",
        "services: {a: {extends: basis}, base: {image: a}}",
        "compose.yml:1:25: there is no service `basis` to extend",
    ),
    (
        "extends a file that is not there",
        "services: {a: {extends: {file: gone.yml, service: a}}}",
        "compose.yml:1:25: `gone.yml` cannot be read: it is not there",
    ),
    (
        "extends nothing",
        "services: {a: {extends: []}}",
        "compose.yml:1:25: `extends` wants the name of a service; write `extends: {service: NAME, file: FILE}`, the file if it is another",
    ),
    (
        "includes itself",
        "include: [compose.yml]\nservices: {a: {image: a}}",
        "compose.yml:1:11: `include` goes in a circle, back to `compose.yml`",
    ),
    (
        "includes a file that is not there",
        "include: [gone.yml]",
        "compose.yml:1:11: `gone.yml` cannot be read: it is not there",
    ),
    (
        "includes a mapping",
        "include: {path: a}",
        "compose.yml:1:10: `a` cannot be read: it is not there",
    ),
    (
        "a file of variables that is not there",
        "services: {a: {image: a, env_file: gone.env}}",
        "compose.yml:1:36: `gone.env` cannot be read: it is not there",
    ),
    (
        "a bad file of variables",
        "services: {a: {image: a, env_file: compose.yml}}",
        "compose.yml:1:1: `services: {a: {image: a, env_file: compose.yml}}` is not the name of a variable; a line is NAME=value, or begins with #",
    ),
    (
        "a bad health check",
        "services: {a: {image: a, healthcheck: {test: [curl, x]}}}",
        "compose.yml:1:46: `test` begins with CMD, CMD-SHELL or NONE; for example [\"CMD-SHELL\", \"curl -f localhost\"]",
    ),
    (
        "a bad host",
        "services: {a: {image: a, extra_hosts: [nowhere]}}",
        "compose.yml:1:40: `nowhere` is not a host with an address; write HOST:ADDRESS or HOST:host-gateway",
    ),
    (
        "a bad subnet",
        "services: {a: {image: a}}\nnetworks: {default: {ipam: {config: [{subnet: 10.0.0.0/99}]}}}",
        "compose.yml:2:47: `10.0.0.0/99` is not a network such as 10.1.0.0/16",
    ),
    (
        "a bad tag",
        "services: !<tag:a {a: {image: a}}",
        "compose.yml:1:11: this is not YAML: while scanning a verbatim tag, did not find the expected '>'",
    ),
    (
        "a line break in an image",
        "services: {a: {image: \"a\\nb\"}}",
        "compose.yml:1:23: `a�b` is not an image reference: only letters, digits and `-_./:@+` may be in it",
    ),
    (
        "one profile",
        "services: {a: {image: a, profiles: b}}",
        "compose.yml:1:36: `profiles` wants a list, not `b`",
    ),
    (
        "variables as mappings in a list",
        "services: {a: {image: a, environment: [A: b]}}",
        "compose.yml:1:40: this is a mapping; in a list, NAME=value is expected",
    ),
    (
        "a tag that is not there",
        "services: !reste {a: {image: a}}",
        "compose.yml:1:11: there is no tag `reste`; there are `!reset` and `!override`",
    ),
    (
        "a control character",
        "services: {a: {image: \"a\u{1b}[31m\", user: \u{7}}}",
        "compose.yml:1:23: `a�[31m` is not an image reference: only letters, digits and `-_./:@+` may be in it",
    ),
];

pub(crate) fn problems(bytes: &[u8]) -> String {
    let path = Path::new(FOLDER).join("compose.yml");
    let files = Memory([(path, bytes.to_vec())].into());
    let mut request = request(&["compose.yml"]);
    request.files = vec![PathBuf::from("compose.yml")];
    match compose::load(&request, &files) {
        Ok(_) => "(no problem)".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn each_has_its_line() {
    let wrong: Vec<String> = CASES
        .iter()
        .map(|(case, file, expected)| (case, problems(file.as_bytes()), expected))
        .filter(|(_, found, expected)| found != *expected)
        .map(|(case, found, _)| format!("{case}:\n{found}"))
        .collect();
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(CASES.len() >= 50, "there were more cases");
}

#[test]
fn the_largest_number_of_problems_is_bounded() {
    let services: String = (0..100).map(|n| format!("  s{n:03}: {{command: a}}\n")).collect();
    let text = problems(format!("services:\n{services}").as_bytes());
    assert_eq!(text.lines().count(), 21);
    assert_eq!(text.lines().last(), Some("and 80 more"));
}
