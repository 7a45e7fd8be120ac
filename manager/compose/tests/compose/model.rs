//! Types: what the short and the long forms of a service's keys come to.

use crate::door::{Memory, request};
use compose::model::Service;
use expect_test::{Expect, expect};

/// Each line is added to a service with an image; what is shown of it is the second part's choice.
#[track_caller]
fn check(show: fn(&Service) -> String, lines: &[&str], expected: Expect) {
    let mut found = String::new();
    for line in lines {
        let file = format!(
            "services:\n  a:\n    image: a\n    {line}\nvolumes: {{data: }}\nnetworks: {{n: }}\n\
             configs: {{c: {{content: c}}}}\nsecrets: {{s: {{content: s}}}}\n"
        );
        let outcome =
            compose::load(&request(&["compose.yml"]), &Memory::of(&[("compose.yml", &file)]));
        let shown = match outcome {
            Ok(loaded) => {
                let warnings: String =
                    loaded.warnings.iter().map(|it| format!("\n  warning: {it}")).collect();
                format!("{}{warnings}", show(&loaded.project.services["a"]))
            }
            Err(problems) => format!("error: {problems}"),
        };
        found += &format!("{line}\n  {shown}\n");
    }
    expected.assert_eq(&found);
}

#[test]
fn ports() {
    let show = |service: &Service| {
        let port = |it: &compose::model::Port| {
            let ip = it.host_ip.map(|ip| format!("{ip} ")).unwrap_or_default();
            let published = it.published.map_or("any".to_owned(), |port| port.to_string());
            format!("{ip}{published}:{} {:?} {:?}", it.target, it.protocol, it.mode)
        };
        service.ports.iter().map(port).collect::<Vec<_>>().join("; ")
    };
    check(
        show,
        &[
            "ports: [80]",
            "ports: [22:22, '8080:80/udp', 443:443/SCTP]",
            "ports: ['3000-3002', '9090-9091:80-81']",
            "ports: ['127.0.0.1:80:81', '127.0.0.1::82', '127.0.0.1:5000-5001:6000-6001']",
            "ports: ['[::1]:80:81', '::1:82:83']",
            "ports: [{target: 80, published: '90', mode: host, host_ip: 10.0.0.1, protocol: udp}]",
            "ports: [{target: 80}, {target: 80-81, published: 90-91, mode: host}]",
            "ports: ['90-95:80']",
            "ports: [{target: 80, publishd: 1}]",
        ],
        expect![[r#"
            ports: [80]
              any:80 Tcp Ingress
            ports: [22:22, '8080:80/udp', 443:443/SCTP]
              22:22 Tcp Ingress; 8080:80 Udp Ingress; 443:443 Sctp Ingress
            ports: ['3000-3002', '9090-9091:80-81']
              any:3000 Tcp Ingress; any:3001 Tcp Ingress; any:3002 Tcp Ingress; 9090:80 Tcp Ingress; 9091:81 Tcp Ingress
            ports: ['127.0.0.1:80:81', '127.0.0.1::82', '127.0.0.1:5000-5001:6000-6001']
              127.0.0.1 80:81 Tcp Ingress; 127.0.0.1 any:82 Tcp Ingress; 127.0.0.1 5000:6000 Tcp Ingress; 127.0.0.1 5001:6001 Tcp Ingress
            ports: ['[::1]:80:81', '::1:82:83']
              ::1 80:81 Tcp Ingress; ::1 82:83 Tcp Ingress
            ports: [{target: 80, published: '90', mode: host, host_ip: 10.0.0.1, protocol: udp}]
              10.0.0.1 90:80 Udp Host
            ports: [{target: 80}, {target: 80-81, published: 90-91, mode: host}]
              any:80 Tcp Ingress; 90:80 Tcp Host; 91:81 Tcp Host
            ports: ['90-95:80']
              error: compose.yml:4:13: 6 ports are published for 1 of the container; both ranges must be of one length
            ports: [{target: 80, publishd: 1}]
              error: compose.yml:4:26: there is no key `publishd` in a port; did you mean `published`?
        "#]],
    );
}

#[test]
fn mounts() {
    let show = |service: &Service| {
        service.mounts.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>().join("\n  ")
    };
    check(
        show,
        &[
            "volumes: [./a b:/b, ../c:/c:ro, '~/d:/d:rw,z,rshared', .:/e]",
            "volumes: ['data:/a:nocopy', /anonymous, '/only:ro', 'data:/b:cached']",
            "volumes: ['data:/a:Z', 'data:/b:nocopy,z', '/only:z', '/c:/c:Z']",
            "volumes: [{type: bind, source: x/y, target: /a, bind: {create_host_path: false}}]",
            "volumes: [{type: volume, source: data, target: /a, read_only: yes, volume: {subpath: s}}]",
            "volumes: [{type: tmpfs, target: /a, tmpfs: {size: 64m, mode: 01777}}]",
            "volumes: [{type: npipe, target: /a}]",
            "volumes: [{type: image, source: i, target: /a, image: {subpath: x}}]",
            "tmpfs: /run",
            "tmpfs: ['/run:size=64m,mode=1777,noexec', /tmp:ro]",
        ],
        expect![[r#"
            volumes: [./a b:/b, ../c:/c:ro, '~/d:/d:rw,z,rshared', .:/e]
              Mount { target: "/b", read_only: false, kind: Bind { source: "/srv/my stack: one/a b", scope: ThisNode, create_host_path: true, propagation: None } }
              Mount { target: "/c", read_only: true, kind: Bind { source: "/srv/c", scope: ThisNode, create_host_path: true, propagation: None } }
              Mount { target: "/d", read_only: false, kind: Bind { source: "/people/ann/d", scope: ThisNode, create_host_path: true, propagation: Some(RecursiveShared) } }
              Mount { target: "/e", read_only: false, kind: Bind { source: "/srv/my stack: one", scope: ThisNode, create_host_path: true, propagation: None } }
              warning: compose.yml:4:37: `selinux` is ignored: files are not labelled anew
            volumes: ['data:/a:nocopy', /anonymous, '/only:ro', 'data:/b:cached']
              Mount { target: "/a", read_only: false, kind: Volume { name: "data", nocopy: true, subpath: None } }
              Mount { target: "/anonymous", read_only: false, kind: Anonymous { nocopy: false } }
              Mount { target: "/only", read_only: true, kind: Anonymous { nocopy: false } }
              Mount { target: "/b", read_only: false, kind: Volume { name: "data", nocopy: false, subpath: None } }
              warning: compose.yml:4:57: `consistency` is ignored: it means something on macOS alone
            volumes: ['data:/a:Z', 'data:/b:nocopy,z', '/only:z', '/c:/c:Z']
              Mount { target: "/a", read_only: false, kind: Volume { name: "data", nocopy: false, subpath: None } }
              Mount { target: "/b", read_only: false, kind: Volume { name: "data", nocopy: true, subpath: None } }
              Mount { target: "/only", read_only: false, kind: Anonymous { nocopy: false } }
              Mount { target: "/c", read_only: false, kind: Bind { source: "/c", scope: AnyNode, create_host_path: true, propagation: None } }
              warning: compose.yml:4:15: `selinux` is ignored: files are not labelled anew
              warning: compose.yml:4:28: `selinux` is ignored: files are not labelled anew
              warning: compose.yml:4:48: `selinux` is ignored: files are not labelled anew
              warning: compose.yml:4:59: `selinux` is ignored: files are not labelled anew
            volumes: [{type: bind, source: x/y, target: /a, bind: {create_host_path: false}}]
              Mount { target: "/a", read_only: false, kind: Bind { source: "/srv/my stack: one/x/y", scope: ThisNode, create_host_path: false, propagation: None } }
            volumes: [{type: volume, source: data, target: /a, read_only: yes, volume: {subpath: s}}]
              Mount { target: "/a", read_only: true, kind: Volume { name: "data", nocopy: false, subpath: Some("s") } }
            volumes: [{type: tmpfs, target: /a, tmpfs: {size: 64m, mode: 01777}}]
              Mount { target: "/a", read_only: false, kind: Tmpfs { bytes: Some(67108864), mode: Some(1023), options: [] } }
            volumes: [{type: npipe, target: /a}]
              error: compose.yml:4:22: `type` wants one of bind, volume, tmpfs, not `npipe`
            volumes: [{type: image, source: i, target: /a, image: {subpath: x}}]
              error: compose.yml:4:22: `type` wants one of bind, volume, tmpfs, not `image`
            compose.yml:4:52: `image` is refused: images are not mounted here; copy the files into a volume
            tmpfs: /run
              Mount { target: "/run", read_only: false, kind: Tmpfs { bytes: None, mode: None, options: [] } }
            tmpfs: ['/run:size=64m,mode=1777,noexec', /tmp:ro]
              Mount { target: "/run", read_only: false, kind: Tmpfs { bytes: Some(67108864), mode: Some(1023), options: ["noexec"] } }
              Mount { target: "/tmp", read_only: true, kind: Tmpfs { bytes: None, mode: None, options: [] } }
        "#]],
    );
}

#[test]
fn commands_and_health() {
    let show = |it: &Service| format!("{:?} {:?} {:?}", it.entrypoint, it.command, it.health);
    check(
        show,
        &[
            "command: sh -c 'echo \"a b\" $$HOME'",
            "command: [a, 'b c', 1]",
            "command: []",
            "entrypoint: ''",
            "command:",
            "healthcheck: {test: curl localhost, interval: 1m30s}",
            "healthcheck: {test: [CMD-SHELL, a b], retries: 3}",
            "healthcheck: {test: [NONE]}",
            "healthcheck: {disable: true, test: [CMD, a]}",
            "healthcheck: {start_interval: 200ms}",
        ],
        expect![[r#"
            command: sh -c 'echo "a b" $$HOME'
              None Some(["sh", "-c", "echo \"a b\" $HOME"]) None
            command: [a, 'b c', 1]
              None Some(["a", "b c", "1"]) None
            command: []
              None Some([]) None
            entrypoint: ''
              Some([]) None None
            command:
              None None None
            healthcheck: {test: curl localhost, interval: 1m30s}
              None None Some(Enabled(Probe { test: Some(Shell("curl localhost")), interval: Some(90s), timeout: None, retries: None, start_period: None, start_interval: None }))
            healthcheck: {test: [CMD-SHELL, a b], retries: 3}
              None None Some(Enabled(Probe { test: Some(Shell("a b")), interval: None, timeout: None, retries: Some(3), start_period: None, start_interval: None }))
            healthcheck: {test: [NONE]}
              None None Some(Disabled)
            healthcheck: {disable: true, test: [CMD, a]}
              None None Some(Disabled)
            healthcheck: {start_interval: 200ms}
              None None Some(Enabled(Probe { test: None, interval: None, timeout: None, retries: None, start_period: None, start_interval: Some(200ms) }))
        "#]],
    );
}

#[test]
fn networks() {
    check(
        |it| format!("{:?}", it.network),
        &[
            "networks: [n, default]",
            "networks: {n: {aliases: [x], ipv4_address: 10.0.0.2, priority: 5}}",
            "links: ['a:b']",
            "network_mode: host",
            "network_mode: bridge",
            "network_mode: 'container:x'",
            "network_mode: none\n    networks: [n]",
        ],
        expect![[r#"
            networks: [n, default]
              Attached { networks: {"default": Attachment { network: None, aliases: [], links: {}, ipv4_address: None, ipv6_address: None, priority: 0, driver_options: {} }, "n": Attachment { network: None, aliases: [], links: {}, ipv4_address: None, ipv6_address: None, priority: 0, driver_options: {} }}, links: [] }
            networks: {n: {aliases: [x], ipv4_address: 10.0.0.2, priority: 5}}
              Attached { networks: {"n": Attachment { network: None, aliases: ["x"], links: {}, ipv4_address: Some(10.0.0.2), ipv6_address: None, priority: 5, driver_options: {} }}, links: [] }
            links: ['a:b']
              Attached { networks: {"default": Attachment { network: None, aliases: [], links: {}, ipv4_address: None, ipv6_address: None, priority: 0, driver_options: {} }}, links: [Link { service: "a", alias: "b" }] }
            network_mode: host
              Host
            network_mode: bridge
              Attached { networks: {"default": Attachment { network: None, aliases: [], links: {}, ipv4_address: None, ipv6_address: None, priority: 0, driver_options: {} }}, links: [] }
              warning: compose.yml:4:19: `network_mode: bridge` is ignored: the service joins the stack's networks
            network_mode: 'container:x'
              error: compose.yml:4:19: `network_mode: container:x` is refused; there are `host` and `none`; tasks may run on different nodes and share no network otherwise than by `networks`
            network_mode: none
                networks: [n]
              error: compose.yml:4:19: `network_mode` and `networks` cannot both be; leave one of them out
        "#]],
    );
}

#[test]
fn deployment() {
    let show = |it: &Service| {
        let deploy = &it.deploy;
        format!("{:?} {:?} {:?}", deploy.mode, deploy.limits, deploy.restart)
    };
    check(
        show,
        &[
            "restart: 'no'",
            "restart: no",
            "restart: on-failure:3",
            "restart: unless-stopped",
            "restart: sometimes",
            "restart: always\n    deploy: {restart_policy: {condition: none, delay: 5s}}",
            "restart: unless-stopped\n    deploy: {restart_policy: {condition: any, delay: 5s}}",
            "restart: on-failure:3\n    deploy: {restart_policy: {condition: on-failure}}",
            "scale: 3",
            "scale: 3\n    deploy: {replicas: 4}",
            "deploy: {mode: global}",
            "deploy: {mode: replicated-job, replicas: 2}",
            "deploy: {mode: global-job}",
            "mem_limit: 512m\n    cpus: 1.5\n    pids_limit: -1",
            "deploy: {resources: {limits: {cpus: '0.50', memory: 50M, pids: 7}}}",
        ],
        expect![[r#"
            restart: 'no'
              Replicated { replicas: 1 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } Some(RestartPolicy { condition: Some(Never), delay: None, attempts_max: None, window: None })
            restart: no
              Replicated { replicas: 1 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } Some(RestartPolicy { condition: Some(Never), delay: None, attempts_max: None, window: None })
            restart: on-failure:3
              Replicated { replicas: 1 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } Some(RestartPolicy { condition: Some(OnFailure), delay: None, attempts_max: Some(3), window: None })
            restart: unless-stopped
              Replicated { replicas: 1 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } Some(RestartPolicy { condition: Some(Any), delay: None, attempts_max: None, window: None })
            restart: sometimes
              error: compose.yml:4:14: `restart` wants one of no, always, unless-stopped, on-failure, on-failure:COUNT, not `sometimes`
            restart: always
                deploy: {restart_policy: {condition: none, delay: 5s}}
              Replicated { replicas: 1 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } Some(RestartPolicy { condition: Some(Never), delay: Some(5s), attempts_max: None, window: None })
              warning: compose.yml:4:14: `restart` is ignored: `deploy.restart_policy` says something else, and wins; leave one of them out
            restart: unless-stopped
                deploy: {restart_policy: {condition: any, delay: 5s}}
              Replicated { replicas: 1 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } Some(RestartPolicy { condition: Some(Any), delay: Some(5s), attempts_max: None, window: None })
            restart: on-failure:3
                deploy: {restart_policy: {condition: on-failure}}
              Replicated { replicas: 1 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } Some(RestartPolicy { condition: Some(OnFailure), delay: None, attempts_max: None, window: None })
              warning: compose.yml:4:14: `restart` is ignored: `deploy.restart_policy` says something else, and wins; leave one of them out
            scale: 3
              Replicated { replicas: 3 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } None
            scale: 3
                deploy: {replicas: 4}
              error: compose.yml:4:12: `scale` and `deploy.replicas` say different things; leave `scale` out
            deploy: {mode: global}
              Global Limits { cpu_nanos: None, memory_bytes: None, pids: None } None
            deploy: {mode: replicated-job, replicas: 2}
              ReplicatedJob { replicas: 2 } Limits { cpu_nanos: None, memory_bytes: None, pids: None } None
            deploy: {mode: global-job}
              GlobalJob Limits { cpu_nanos: None, memory_bytes: None, pids: None } None
            mem_limit: 512m
                cpus: 1.5
                pids_limit: -1
              Replicated { replicas: 1 } Limits { cpu_nanos: Some(1500000000), memory_bytes: Some(536870912), pids: None } None
            deploy: {resources: {limits: {cpus: '0.50', memory: 50M, pids: 7}}}
              Replicated { replicas: 1 } Limits { cpu_nanos: Some(500000000), memory_bytes: Some(52428800), pids: Some(7) } None
        "#]],
    );
}

#[test]
fn the_kernel_s_part() {
    let show = |it: &Service| {
        let kernel = &it.kernel;
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            kernel.devices,
            kernel.ulimits,
            kernel.pid,
            kernel.ipc,
            kernel.memory_swap,
            kernel.cpu_quota_micros
        )
    };
    check(
        show,
        &[
            "devices: [/dev/a, '/dev/a:/dev/b', '/dev/a:/dev/b:r', '/dev/a:rw']",
            "devices: ['']",
            "devices: ['vendor.com/class=name', ttyUSB0]",
            "devices: [{source: vendor.com/class=name}]",
            "ulimits: {nofile: {soft: 1, hard: -1}, nproc: 5}",
            "ulimits: {nofile: {soft: 1}}",
            "pid: host\n    ipc: shareable",
            "pid: 'service:b'",
            "memswap_limit: -1",
            "memswap_limit: 1g\n    cpu_quota: 50ms",
            "oom_score_adj: 2000",
        ],
        expect![[r#"
            devices: [/dev/a, '/dev/a:/dev/b', '/dev/a:/dev/b:r', '/dev/a:rw']
              [Device { source: "/dev/a", target: "/dev/a", permissions: "rwm" }, Device { source: "/dev/a", target: "/dev/b", permissions: "rwm" }, Device { source: "/dev/a", target: "/dev/b", permissions: "r" }, Device { source: "/dev/a", target: "/dev/a", permissions: "rw" }] {} None None None None
            devices: ['']
              error: compose.yml:4:15: `` is not a device; write SOURCE[:TARGET[:PERMISSIONS]], for example /dev/ttyUSB0:/dev/modem:rw
            devices: ['vendor.com/class=name', ttyUSB0]
              error: compose.yml:4:15: `vendor.com/class=name` is no path of a device; ask for what a vendor describes (CDI) under `deploy.resources.reservations.devices`: {driver: cdi, device_ids: [NAME], capabilities: [cdi]}
            compose.yml:4:40: `ttyUSB0` is no path of a device; write its absolute path, for example /dev/ttyUSB0
            devices: [{source: vendor.com/class=name}]
              error: compose.yml:4:15: `vendor.com/class=name` is no path of a device; ask for what a vendor describes (CDI) under `deploy.resources.reservations.devices`: {driver: cdi, device_ids: [NAME], capabilities: [cdi]}
            ulimits: {nofile: {soft: 1, hard: -1}, nproc: 5}
              [] {"nofile": Ulimit { soft: 1, hard: -1 }, "nproc": Ulimit { soft: 5, hard: 5 }} None None None None
            ulimits: {nofile: {soft: 1}}
              error: compose.yml:4:15: ulimit `nofile` wants a `soft` and a `hard` limit
            pid: host
                ipc: shareable
              [] {} Some(Host) Some(Shareable) None None
            pid: 'service:b'
              error: compose.yml:4:10: `pid: service:b` is refused; two tasks may run on different nodes and cannot share it
            memswap_limit: -1
              [] {} None None Some(Unlimited) None
            memswap_limit: 1g
                cpu_quota: 50ms
              [] {} None None Some(Bytes(1073741824)) Some(50000)
            oom_score_adj: 2000
              error: compose.yml:4:20: `oom_score_adj` wants a number from -1000 to 1000, not `2000`
        "#]],
    );
}

#[test]
fn grants_and_modes() {
    let show = |it: &Service| format!("{:?} {:?}", it.configs, it.secrets);
    check(
        show,
        &[
            "configs: [c]",
            "secrets: [s]",
            "secrets: [{source: s, target: /x, uid: 1000, gid: '5', mode: 0400}]",
            "secrets: [{source: s, mode: '400'}]",
            "secrets: [{source: s, mode: 0o440}]",
            "secrets: [{source: s, mode: 256}]",
            "secrets: [{source: s, mode: 440}]",
            "secrets: [{source: s, mode: 400}]",
            "secrets: [{source: s, mode: 644}]",
            "secrets: [{source: s, mode: rw}]",
            "secrets: [{target: s}]",
        ],
        expect![[r#"
            configs: [c]
              [Grant { source: "c", target: "/c", uid: None, gid: None, mode: None }] []
            secrets: [s]
              [] [Grant { source: "s", target: "s", uid: None, gid: None, mode: None }]
            secrets: [{source: s, target: /x, uid: 1000, gid: '5', mode: 0400}]
              [] [Grant { source: "s", target: "/x", uid: Some("1000"), gid: Some("5"), mode: Some(256) }]
            secrets: [{source: s, mode: '400'}]
              [] [Grant { source: "s", target: "s", uid: None, gid: None, mode: Some(256) }]
            secrets: [{source: s, mode: 0o440}]
              [] [Grant { source: "s", target: "s", uid: None, gid: None, mode: Some(288) }]
            secrets: [{source: s, mode: 256}]
              [] [Grant { source: "s", target: "s", uid: None, gid: None, mode: Some(256) }]
            secrets: [{source: s, mode: 440}]
              [] [Grant { source: "s", target: "s", uid: None, gid: None, mode: Some(440) }]
              warning: compose.yml:4:33: `mode: 440` is a decimal number, the mode 0670; write 0440 if that is meant
            secrets: [{source: s, mode: 400}]
              [] [Grant { source: "s", target: "s", uid: None, gid: None, mode: Some(400) }]
              warning: compose.yml:4:33: `mode: 400` is a decimal number, the mode 0620; write 0400 if that is meant
            secrets: [{source: s, mode: 644}]
              [] [Grant { source: "s", target: "s", uid: None, gid: None, mode: Some(644) }]
              warning: compose.yml:4:33: `mode: 644` is a decimal number, the mode 1204; write 0644 if that is meant
            secrets: [{source: s, mode: rw}]
              error: compose.yml:4:33: `mode` wants an octal number such as 0440, not `rw`
            secrets: [{target: s}]
              error: compose.yml:4:15: an item of `secrets` wants a `source`
        "#]],
    );
}

#[test]
fn small_things() {
    let show = |it: &Service| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            it.extra_hosts, it.dns, it.expose, it.pull_policy, it.user, it.depends_on
        )
    };
    check(
        show,
        &[
            "extra_hosts: ['a:1.2.3.4', 'a=::1', 'b:host-gateway', 'c:[::2]']",
            "extra_hosts: {a: 1.2.3.4, b: [1.1.1.1, host-gateway]}",
            "dns: 8.8.8.8",
            "dns: [example.org]",
            "expose: [80, '90-95/udp']",
            "pull_policy: if_not_present",
            "pull_policy: every_12h",
            "pull_policy: build",
            "user: ${GONE:-}",
            "user: 1000:1000",
            "x-at-most-onee: true",
            "x-anything: {a: [b]}",
            "use_api_socket: false",
            "volumes_from: []",
            "external_links: [a]",
        ],
        expect![[r#"
            extra_hosts: ['a:1.2.3.4', 'a=::1', 'b:host-gateway', 'c:[::2]']
              {"a": [Ip(1.2.3.4), Ip(::1)], "b": [HostGateway], "c": [Ip(::2)]} [] [] None None {}
            extra_hosts: {a: 1.2.3.4, b: [1.1.1.1, host-gateway]}
              {"a": [Ip(1.2.3.4)], "b": [Ip(1.1.1.1), HostGateway]} [] [] None None {}
            dns: 8.8.8.8
              {} [8.8.8.8] [] None None {}
            dns: [example.org]
              error: compose.yml:4:11: `example.org` is not an address
            expose: [80, '90-95/udp']
              {} [] [ExposedPort { first: 80, last: 80, protocol: Tcp }, ExposedPort { first: 90, last: 95, protocol: Udp }] None None {}
            pull_policy: if_not_present
              {} [] [] Some(Missing) None {}
            pull_policy: every_12h
              {} [] [] Some(Always) None {}
            pull_policy: build
              {} [] [] None None {}
              warning: compose.yml:4:18: `pull_policy: build` is ignored: images are pulled, never built here
            user: ${GONE:-}
              {} [] [] None None {}
            user: 1000:1000
              {} [] [] None Some("1000:1000") {}
            x-at-most-onee: true
              {} [] [] None None {}
              warning: compose.yml:4:5: `x-at-most-onee` is nobody's that is known here; did you mean `x-at-most-one`?
            x-anything: {a: [b]}
              {} [] [] None None {}
            use_api_socket: false
              {} [] [] None None {}
            volumes_from: []
              {} [] [] None None {}
            external_links: [a]
              error: compose.yml:4:5: `external_links` is refused: containers outside of the stack are reached through a network that is external
        "#]],
    );
}

#[test]
fn a_later_complaint_finds_its_place() {
    let text = "services:\n  a:\n    image: a\n    ports: [80]\n";
    let loaded = compose::load(&request(&["compose.yml"]), &Memory::of(&[("compose.yml", text)]))
        .expect("it is a file like many");
    let place = |path: &[&str]| loaded.place(path).to_string();
    assert_eq!(place(&["services", "a", "ports"]), "compose.yml:4:5");
    assert_eq!(place(&["services", "a", "deploy", "mode"]), "compose.yml:2:3");
}

#[test]
fn preferences() {
    check(
        |it| it.deploy.spread.join(" "),
        &[
            "deploy: {placement: {preferences: [{spread: node.labels.zone}]}}",
            "deploy: {placement: {preferences: [{spread: node.hostname}, {spread: engine.labels.a}]}}",
            "deploy: {placement: {preferences: [{spread: zone}]}}",
        ],
        expect![[r#"
            deploy: {placement: {preferences: [{spread: node.labels.zone}]}}
              node.labels.zone
            deploy: {placement: {preferences: [{spread: node.hostname}, {spread: engine.labels.a}]}}
              engine.labels.a
              warning: compose.yml:4:49: `spread: node.hostname` is ignored: tasks spread over the nodes anyway
            deploy: {placement: {preferences: [{spread: zone}]}}
              error: compose.yml:4:49: `zone` is not a label to spread over; write node.labels.NAME or engine.labels.NAME
        "#]],
    );
}
