//! What the cluster is asked for of networks and ports.

use crate::specs::{check, loaded, shown, specs};
use expect_test::{expect, expect_file};

#[test]
fn networks_and_ports() {
    check(
        &[
            "container_name: me",
            "networks: [n, out, default]",
            "networks: {n: {aliases: [x, a], ipv4_address: 10.0.0.2, priority: 5}}",
            "links: [b, 'b:other', 'a:self']",
            "links: ['b:other']\n    networks: [n]",
            "ports: ['80:81', '53:53/udp', '8080']\n    deploy: {endpoint_mode: dnsrr}",
            "ports: [{target: 80, published: 81, mode: host, host_ip: 127.0.0.1}]",
        ],
        expect![[r#"
            container_name: me
              task.networks.demo_default.aliases = ["a","me"]
            networks: [n, out, default]
              task.networks.demo_n.aliases = ["a"]
              task.networks.demo_n.driver_options = {}
              task.networks.demo_n.ipv4_address = null
              task.networks.demo_n.ipv6_address = null
              task.networks.demo_n.links = {}
              task.networks.demo_n.priority = 0
              task.networks.out.aliases = ["a"]
              task.networks.out.driver_options = {}
              task.networks.out.ipv4_address = null
              task.networks.out.ipv6_address = null
              task.networks.out.links = {}
              task.networks.out.priority = 0
            networks: {n: {aliases: [x, a], ipv4_address: 10.0.0.2, priority: 5}}
              task.networks.demo_n.aliases = ["x","a"]
              task.networks.demo_n.driver_options = {}
              task.networks.demo_n.ipv4_address = "10.0.0.2"
              task.networks.demo_n.ipv6_address = null
              task.networks.demo_n.links = {}
              task.networks.demo_n.priority = 5
            links: [b, 'b:other', 'a:self']
              depends_on = [{"condition":"Started","required":true,"service":"demo_b"}]
              task.networks.demo_default.links.b = "demo_b"
              task.networks.demo_default.links.other = "demo_b"
              task.networks.demo_default.links.self = "demo_a"
            links: ['b:other']
                networks: [n]
              depends_on = [{"condition":"Started","required":true,"service":"demo_b"}]
              task.networks.demo_n.aliases = ["a"]
              task.networks.demo_n.driver_options = {}
              task.networks.demo_n.ipv4_address = null
              task.networks.demo_n.ipv6_address = null
              task.networks.demo_n.links = {}
              task.networks.demo_n.priority = 0
            ports: ['80:81', '53:53/udp', '8080']
                deploy: {endpoint_mode: dnsrr}
              endpoint = "DnsRoundRobin"
              ports = [{"host_ip":null,"mode":"Ingress","protocol":"Tcp","published":80,"target":81},{"host_ip":null,"mode":"Ingress","protocol":"Udp","published":53,"target":53},{"host_ip":null,"mode":"Ingress","protocol":"Tcp","published":null,"target":8080}]
            ports: [{target: 80, published: 81, mode: host, host_ip: 127.0.0.1}]
              ports = [{"host_ip":"127.0.0.1","mode":"Host","protocol":"Tcp","published":81,"target":80}]
        "#]],
    );
}

#[test]
fn that_nothing_is_served_yet_is_told_once_and_to_whom_it_concerns() {
    let served = "ports and networks are kept, and not served yet";
    for (services, expected) in [
        ("{a: {image: a, network_mode: none}, b: {image: b, network_mode: host}}", vec![]),
        ("{a: {image: a}, b: {image: b, ports: ['80:80']}}", vec![served]),
    ] {
        let specs = specs(&loaded(&format!("services: {services}"), |_| {})).expect("it fits");
        let warnings: Vec<String> = specs.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, expected, "{services}");
    }
}

#[test]
fn what_a_network_cannot_give() {
    check(
        &[
            "network_mode: host\n    ports: ['80:80']",
            "network_mode: none\n    ports: ['80:80']",
            "networks: {n: {ipv4_address: 10.0.0.2, ipv6_address: 'fd00::2'}}\n    scale: 2",
            "networks: {n: {ipv4_address: 10.0.0.2}}\n    deploy: {mode: global}",
            "networks: {n: {aliases: [x]}}\n    deploy: {mode: global}",
        ],
        expect![[r#"
            network_mode: host
                ports: ['80:80']
              task.container.network = "Host"
              task.networks = {}
              warning: compose.yml:5:5: `ports` is ignored: on the host's network, the ports are those that the program opens on its node; leave it out, or let the service join the stack's networks
            network_mode: none
                ports: ['80:80']
              task.container.network = "None"
              task.networks = {}
              warning: compose.yml:5:5: `ports` is ignored: without a network, nothing reaches the service; leave it out, or let the service join the stack's networks
            networks: {n: {ipv4_address: 10.0.0.2, ipv6_address: 'fd00::2'}}
                scale: 2
              error: compose.yml:4:20: `ipv4_address` is one task's, and this service has 2 tasks; leave it out: the service is found by its name; or have one replica
            compose.yml:4:44: `ipv6_address` is one task's, and this service has 2 tasks; leave it out: the service is found by its name; or have one replica
            networks: {n: {ipv4_address: 10.0.0.2}}
                deploy: {mode: global}
              error: compose.yml:4:20: `ipv4_address` is one task's, and this service has a task on every node; leave it out: the service is found by its name; or have one replica
            networks: {n: {aliases: [x]}}
                deploy: {mode: global}
              mode = "Global"
              task.networks.demo_n.aliases = ["x","a"]
              task.networks.demo_n.driver_options = {}
              task.networks.demo_n.ipv4_address = null
              task.networks.demo_n.ipv6_address = null
              task.networks.demo_n.links = {}
              task.networks.demo_n.priority = 0
        "#]],
    );
}

#[test]
fn networks_of_their_own() {
    let text = |networks: &str| {
        format!("services: {{a: {{image: a, networks: [n, default]}}}}\nnetworks:\n  {networks}\n")
    };
    let mut found = String::new();
    for networks in [
        "n: {driver: overlay, driver_opts: {encrypted: '', mtu: 1400}, internal: true}",
        "n: {driver: bridge}\n  default: {name: back}",
        "n: {driver: macvlan}",
        "n: {driver_opts: {encrypted: maybe}}",
        "n: {name: a/b}",
        "n: {ipam: {driver: mine, config: [{gateway: 10.1.0.1}, {subnet: 10.2.3.4/16}]}}",
        "n: {external: true}",
        "n: {external: true, name: host}",
    ] {
        found += &format!("{networks}\n{}", shown(specs(&loaded(&text(networks), |_| {}))));
    }
    expect_file!["../networks.specs"].assert_eq(&found);
    let text = "services: {a: {image: a, networks: [n], ports: ['80:80']}}\n\
                networks: {n: {external: true, name: host}}";
    expect![[r#"
        demo_a of a
          labels.com.docker.stack.image = "a"
          labels.com.docker.stack.namespace = "demo"
          stack = "demo"
          task.container.labels.com.docker.stack.namespace = "demo"
          task.container.network = "Host"
        warning: compose.yml:1:41: `ports` is ignored: on the host's network, the ports are those that the program opens on its node; leave it out, or let the service join the stack's networks
    "#]]
    .assert_eq(&shown(specs(&loaded(text, |_| {}))));
}
