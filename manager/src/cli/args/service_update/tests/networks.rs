//! What else is given to a service and taken from it: networks, ports, files and resources.

use super::{check, check_after};
use expect_test::expect;

#[test]
fn networks_and_ports() {
    check(
        "--network-add name=back,alias=db --endpoint-mode vip",
        expect![[r#"
        - task.networks.back.aliases = []
        + task.networks.back.aliases = ["db"]"#]],
    );
    check(
        "--network-rm back --network-add host",
        expect![
            "the network `host` is each node's own and goes together with no other: leave one of them out (--network-rm host takes it away)"
        ],
    );
    let host = "--network-rm back --network-rm front --network-add host";
    check(
        host,
        expect![[r#"
        - task.container.network = "Engine"
        - task.networks.back.aliases = []
        - task.networks.back.driver_options = {}
        - task.networks.back.ipv4_address = null
        - task.networks.back.ipv6_address = null
        - task.networks.back.links = {}
        - task.networks.back.priority = 0
        - task.networks.front.aliases = ["web","www"]
        - task.networks.front.driver_options.a = "b"
        - task.networks.front.ipv4_address = "10.0.0.2"
        - task.networks.front.ipv6_address = null
        - task.networks.front.links.db = "shop_store"
        - task.networks.front.priority = 1
        + task.container.network = "Host"
        + task.networks = {}"#]],
    );
    check_after(
        host,
        "--network-add other",
        expect![
            "the network `host` is each node's own and goes together with no other: leave one of them out (--network-rm host takes it away)"
        ],
    );
    check_after(
        host,
        "--network-rm host --network-add other",
        expect![[r#"
        - task.container.network = "Host"
        - task.networks = {}
        + task.container.network = "Engine"
        + task.networks.other.aliases = []
        + task.networks.other.driver_options = {}
        + task.networks.other.ipv4_address = null
        + task.networks.other.ipv6_address = null
        + task.networks.other.links = {}
        + task.networks.other.priority = 0"#]],
    );
    check(
        "--publish-add 9000:90 --publish-add 9000:90 --publish-rm 80",
        expect![[r#"
        - ports = [{"host_ip":null,"mode":"Ingress","protocol":"Tcp","published":8000,"target":80},{"host_ip":null,"mode":"Host","protocol":"Tcp","published":8080,"target":80}]
        + ports = [{"host_ip":null,"mode":"Ingress","protocol":"Tcp","published":9000,"target":90}]"#]],
    );
}

#[test]
fn files_and_resources() {
    check("--secret-rm db-password --config-rm other", expect![""]);
    check_after(
        "--generic-resource-add gpu=2 --generic-resource-add ssd=1",
        "--generic-resource-rm ssd --generic-resource-add gpu=3",
        expect![[r#"
            - task.generic.gpu = 2
            - task.generic.ssd = 1
            + task.generic.gpu = 3"#]],
    );
}

#[test]
fn what_says_nothing_here_is_told() {
    check(
        "--isolation process",
        expect![
            "error: invalid value 'process' for '--isolation [<ISOLATION>]': containers are isolated otherwise on Windows alone, and all nodes run Linux"
        ],
    );
    check(
        "--with-registry-auth",
        expect![
            "error: invalid value 'web' for '--with-registry-auth [<WITH_REGISTRY_AUTH>]': registry credentials come with a later version: until then log in on the nodes themselves (docker login)"
        ],
    );
}
