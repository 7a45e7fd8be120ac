//! The flags of `network create`, and the network that they describe.

use super::pairs::parse_label;
use super::values::{BadValue, parse_word};
use clap::Args;
use common::Name;
use common::network::{AddressPool, BadOption, NetworkDriver, NetworkSpec, Subnet};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Said once wherever somebody asks for them.
pub(in crate::cli) const NOT_SERVED_YET: &str = "ports and networks are kept, and not served yet";

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateNetwork {
    /// What carries it; overlay spans all nodes
    #[arg(long, short, default_value = "overlay", value_parser = parse_driver)]
    driver: NetworkDriver,
    /// Its addresses, as in 10.1.0.0/16 [default: the cluster chooses]
    #[arg(long = "subnet", value_name = "SUBNET")]
    subnets: Vec<Subnet>,
    /// The part of a subnet from which tasks get theirs
    #[arg(long = "ip-range", value_name = "SUBNET")]
    ranges: Vec<Subnet>,
    /// A subnet's way out
    #[arg(long = "gateway", value_name = "ADDRESS")]
    gateways: Vec<IpAddr>,
    /// An address that no task is to have, as in router=10.1.0.5
    #[arg(long = "aux-address", value_name = "NAME=ADDRESS", value_parser = parse_taken)]
    taken: Vec<(String, IpAddr)>,
    /// It leads nowhere but to its own containers
    #[arg(long)]
    internal: bool,
    /// Containers that are no tasks may join it
    #[arg(long)]
    attachable: bool,
    /// Tasks have IPv6 addresses as well
    #[arg(long)]
    ipv6: bool,
    /// A label
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// An option of the driver, as in encrypted
    #[arg(long = "opt", short, value_name = "NAME=VALUE", value_parser = parse_label)]
    options: Vec<(String, String)>,
    /// Docker's flag; every network is the whole cluster's
    #[arg(long, hide = true, value_parser = ["swarm"])]
    scope: Option<String>,
    /// Its name, which belongs to it alone
    name: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadNetwork {
    #[error("--{flag} {value} is in none of the subnets: give its --subnet as well")]
    OutOfSubnets { flag: &'static str, value: String },
    #[error("--{flag} is said twice of the subnet {subnet}")]
    Twice { flag: &'static str, subnet: Subnet },
    #[error(transparent)]
    Option(#[from] BadOption),
}

fn parse_driver(text: &str) -> Result<NetworkDriver, BadValue> {
    parse_word(text, NetworkDriver::WORDS, "overlay")
}

fn parse_taken(text: &str) -> Result<(String, IpAddr), &'static str> {
    let wrong = "NAME=ADDRESS is expected";
    let (name, address) = text.split_once('=').ok_or(wrong)?;
    let address = address.parse().map_err(|_| wrong)?;
    if name.is_empty() { Err(wrong) } else { Ok((name.to_owned(), address)) }
}

impl CreateNetwork {
    pub(in crate::cli) fn spec(self) -> Result<NetworkSpec, BadNetwork> {
        let pools = self.pools()?;
        let mut spec = NetworkSpec {
            labels: self.labels.into_iter().collect(),
            driver: self.driver,
            internal: self.internal,
            attachable: self.attachable,
            ipv6: self.ipv6,
            pools,
            ..NetworkSpec::new(self.name)
        };
        spec.set_options(self.options.into_iter().collect())?;
        Ok(spec)
    }

    /// As Docker does: whatever is said of addresses belongs to the subnet that it lies in.
    fn pools(&self) -> Result<Vec<AddressPool>, BadNetwork> {
        let plain = |subnet: &Subnet| AddressPool {
            subnet: *subnet,
            range: None,
            gateway: None,
            taken: BTreeMap::new(),
        };
        let mut pools: Vec<AddressPool> = self.subnets.iter().map(plain).collect();
        for range in &self.ranges {
            let pool = pool_of(&mut pools, "ip-range", range.first(), &range.to_string())?;
            put_once("ip-range", pool.subnet, &mut pool.range, *range)?;
        }
        for gateway in &self.gateways {
            let pool = pool_of(&mut pools, "gateway", *gateway, &gateway.to_string())?;
            put_once("gateway", pool.subnet, &mut pool.gateway, *gateway)?;
        }
        for (name, address) in &self.taken {
            let pool = pool_of(&mut pools, "aux-address", *address, &address.to_string())?;
            pool.taken.insert(name.clone(), *address);
        }
        Ok(pools)
    }
}

fn pool_of<'a>(
    pools: &'a mut [AddressPool],
    flag: &'static str,
    address: IpAddr,
    value: &str,
) -> Result<&'a mut AddressPool, BadNetwork> {
    let found = pools.iter_mut().find(|it| it.subnet.contains(address));
    found.ok_or_else(|| BadNetwork::OutOfSubnets { flag, value: value.to_owned() })
}

fn put_once<T>(
    flag: &'static str,
    subnet: Subnet,
    place: &mut Option<T>,
    value: T,
) -> Result<(), BadNetwork> {
    match place.replace(value) {
        Some(_) => Err(BadNetwork::Twice { flag, subnet }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: CreateNetwork,
    }

    fn spec(line: &str) -> Result<NetworkSpec, String> {
        let words = ["create"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|it| it.to_string())?;
        line.flags.spec().map_err(|it| it.to_string())
    }

    #[test]
    fn all_flags() {
        let line = "-d overlay --subnet 10.1.0.0/16 --subnet fd00:1::/64 --gateway 10.1.0.1 \
                    --ip-range 10.1.9.0/24 --aux-address r=fd00:1::5 --internal --attachable \
                    --ipv6 --label a=b -o encrypted --opt mtu=1400 --scope swarm back";
        let found = spec(line).expect("a network");
        let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let expected = NetworkSpec {
            labels: pairs("a", "b"),
            driver_options: pairs("mtu", "1400"),
            encrypted: true,
            internal: true,
            attachable: true,
            ipv6: true,
            pools: vec![
                AddressPool {
                    subnet: "10.1.0.0/16".parse().expect("a subnet"),
                    range: Some("10.1.9.0/24".parse().expect("a subnet")),
                    gateway: Some([10, 1, 0, 1].into()),
                    taken: BTreeMap::new(),
                },
                AddressPool {
                    subnet: "fd00:1::/64".parse().expect("a subnet"),
                    range: None,
                    gateway: None,
                    taken: [("r".to_owned(), "fd00:1::5".parse().expect("an address"))].into(),
                },
            ],
            ..NetworkSpec::new("back".parse().expect("a name"))
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (line, words) in [
            ("--gateway 10.1.0.1 back", "--gateway 10.1.0.1 is in none of the subnets"),
            (
                "--subnet 10.1.0.0/16 --gateway 10.1.0.1 --gateway 10.1.0.2 back",
                "--gateway is said twice of the subnet 10.1.0.0/16",
            ),
            ("--subnet 10.1.0.0 back", "`10.1.0.0` is not a network such as 10.1.0.0/16"),
            ("-d macvlan back", "overlay"),
            ("-o encrypted=maybe back", "`encrypted` is true or false"),
            ("--aux-address 10.1.0.1 back", "NAME=ADDRESS is expected"),
            ("--scope local back", "swarm"),
        ] {
            let said = spec(line).expect_err(line);
            assert!(said.contains(words), "{line}: {said}");
        }
    }
}
