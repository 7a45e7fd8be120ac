//! `network`, `ls` and `inspect`: in Docker's shape.

use super::{json_lines, pretty_json, table};
use crate::cli::args::filter::{NetworkFilter, passes};
use crate::cli::args::format::Format;
use crate::cli::seen::SeenNetwork;
use common::calendar::rfc3339;
use common::network::{AddressPool, Network, NetworkSpec};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Docker's word for what all nodes know.
const SCOPE: &str = "swarm";

pub(in crate::cli) fn matches(seen: &SeenNetwork, filters: &[NetworkFilter]) -> bool {
    let Network { id, spec, .. } = &seen.network;
    passes(filters, |filter| match filter {
        NetworkFilter::Id(given) => id.to_string().starts_with(given),
        NetworkFilter::Name(name) => spec.name.as_str().contains(name),
        NetworkFilter::Label(label) => label.matches(&spec.labels),
        NetworkFilter::Driver(driver) => spec.driver.as_str() == driver,
        NetworkFilter::Scope(scope) => scope == SCOPE,
    })
}

pub(in crate::cli) fn list(networks: &[SeenNetwork], format: Format) -> String {
    let row = |NetworkSpec { name, driver, .. }: &NetworkSpec| {
        [name.to_string(), driver.as_str().to_owned(), SCOPE.to_owned()]
    };
    match format {
        Format::Table => {
            let rows: Vec<[String; 4]> = networks
                .iter()
                .map(|SeenNetwork { network: it, .. }| {
                    let [name, driver, scope] = row(&it.spec);
                    [it.id.to_string(), name, driver, scope]
                })
                .collect();
            table(["NETWORK ID", "NAME", "DRIVER", "SCOPE"], &rows)
        }
        Format::Json => json_lines(networks.iter().map(|SeenNetwork { network: it, .. }| {
            let spec = &it.spec;
            let labels = spec.labels.iter().map(|(name, value)| format!("{name}={value}"));
            // Docker writes truths as text here.
            json!({
                "CreatedAt": rfc3339(it.created.wall),
                "Driver": spec.driver.as_str(),
                "ID": it.id.to_string(),
                "IPv4": "true",
                "IPv6": spec.ipv6.to_string(),
                "Internal": spec.internal.to_string(),
                "Labels": labels.collect::<Vec<_>>().join(","),
                "Name": spec.name.as_str(),
                "Scope": SCOPE,
            })
        })),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkJson<'a> {
    name: &'a str,
    id: String,
    created: String,
    scope: &'static str,
    driver: &'static str,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: IpamJson<'a>,
    internal: bool,
    attachable: bool,
    ingress: bool,
    options: BTreeMap<String, String>,
    labels: &'a BTreeMap<String, String>,
    /// Of Docker's only with `--verbose`, and with much more.
    services: BTreeMap<&'a str, serde_json::Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpamJson<'a> {
    driver: &'static str,
    config: Vec<PoolJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PoolJson<'a> {
    subnet: String,
    #[serde(rename = "IPRange", skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    auxiliary_addresses: BTreeMap<&'a str, String>,
}

impl<'a> PoolJson<'a> {
    fn of(pool: &'a AddressPool) -> PoolJson<'a> {
        let taken = pool.taken.iter();
        PoolJson {
            subnet: pool.subnet.to_string(),
            range: pool.range.map(|it| it.to_string()),
            gateway: pool.gateway.map(|it| it.to_string()),
            auxiliary_addresses: taken.map(|(name, it)| (name.as_str(), it.to_string())).collect(),
        }
    }
}

impl<'a> NetworkJson<'a> {
    fn of(seen: &'a SeenNetwork) -> NetworkJson<'a> {
        let Network { id, created, spec, .. } = &seen.network;
        NetworkJson {
            name: spec.name.as_str(),
            id: id.to_string(),
            created: rfc3339(created.wall),
            scope: SCOPE,
            driver: spec.driver.as_str(),
            enable_ipv4: true,
            enable_ipv6: spec.ipv6,
            ipam: IpamJson {
                driver: "default",
                config: spec.pools.iter().map(PoolJson::of).collect(),
            },
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: false,
            options: spec.options(),
            labels: &spec.labels,
            services: seen.services.iter().map(|it| (it.as_str(), json!({}))).collect(),
        }
    }
}

pub(in crate::cli) fn inspect(networks: &[SeenNetwork]) -> String {
    pretty_json(&networks.iter().map(NetworkJson::of).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::{NetworkId, Stamp, Version};
    use expect_test::expect;

    fn seen() -> SeenNetwork {
        let pool = AddressPool {
            subnet: "10.1.0.0/16".parse().expect("a subnet"),
            range: None,
            gateway: Some([10, 1, 0, 1].into()),
            taken: BTreeMap::new(),
        };
        let spec = NetworkSpec {
            labels: [("a".to_owned(), "b".to_owned())].into(),
            encrypted: true,
            pools: vec![pool],
            ..NetworkSpec::new("back".parse().expect("a name"))
        };
        let (created, updated) = (Stamp::default(), Stamp::default());
        let network = Network { id: NetworkId(1), version: Version(7), created, updated, spec };
        SeenNetwork { network, services: vec!["web".to_owned()] }
    }

    #[test]
    fn ls() {
        expect![[r#"
            NETWORK ID      NAME      DRIVER    SCOPE
            0000000000001   back      overlay   swarm
            {"CreatedAt":"1970-01-01T00:00:00.000Z","Driver":"overlay","ID":"0000000000001","IPv4":"true","IPv6":"false","Internal":"false","Labels":"a=b","Name":"back","Scope":"swarm"}
        "#]]
        .assert_eq(&(list(&[seen()], Format::Table) + &list(&[seen()], Format::Json)));
    }

    #[test]
    fn all_that_is_known() {
        expect![[r#"
            [
                {
                    "Name": "back",
                    "Id": "0000000000001",
                    "Created": "1970-01-01T00:00:00.000Z",
                    "Scope": "swarm",
                    "Driver": "overlay",
                    "EnableIPv4": true,
                    "EnableIPv6": false,
                    "IPAM": {
                        "Driver": "default",
                        "Config": [
                            {
                                "Subnet": "10.1.0.0/16",
                                "Gateway": "10.1.0.1"
                            }
                        ]
                    },
                    "Internal": false,
                    "Attachable": false,
                    "Ingress": false,
                    "Options": {
                        "encrypted": ""
                    },
                    "Labels": {
                        "a": "b"
                    },
                    "Services": {
                        "web": {}
                    }
                }
            ]
        "#]]
        .assert_eq(&inspect(&[seen()]));
    }

    #[test]
    fn filters() {
        for (text, expected) in [
            ("name=ac", true),
            ("driver=overlay", true),
            ("driver=bridge", false),
            ("scope=swarm", true),
            ("scope=local", false),
            ("label=a=c", false),
        ] {
            let filters = [text.parse().expect("a filter")];
            assert_eq!(matches(&seen(), &filters), expected, "{text}");
        }
    }
}
