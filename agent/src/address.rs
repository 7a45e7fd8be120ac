//! Which of its own addresses a node gives to others.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

pub const PORT: u16 = 7373;
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("`{0}` is not an address: an IP is expected, with a port or without")]
    NotAnAddress(String),
    #[error("{0} is not an address of this machine (it has {1}): others could not reach it there")]
    NotOurs(IpAddr, String),
    #[error(
        "this machine has several addresses ({0}): say with --advertise-addr which one others reach it by"
    )]
    Ambiguous(String),
    #[error(
        "this machine has no address but its own loopback: connect it to a network, or say --advertise-addr"
    )]
    None,
    #[error("{0} cannot be reached from this machine: {1}")]
    NoRoute(String, std::io::Error),
    #[error(
        "`{0}` is not known: no address is found for this name; say the manager's IP address instead"
    )]
    Unresolved(String),
    #[error(
        "the name server did not answer within 5 s when asked for `{0}`: say the manager's IP \
         address instead"
    )]
    NoNameServer(String),
    #[error("the machine's addresses cannot be read: {0}")]
    System(#[from] nix::Error),
}

/// `IP`, `IP:PORT` or nothing, as typed.
pub fn parse(given: &str) -> Result<Option<SocketAddr>, AddressError> {
    if given.is_empty() {
        return Ok(None);
    }
    let bare = given.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(Some(SocketAddr::new(ip, PORT)));
    }
    given.parse().map(Some).map_err(|_| AddressError::NotAnAddress(given.to_owned()))
}

/// `HOST` or `HOST:PORT`, with the port filled in.
pub fn with_port(given: &str) -> String {
    let bare_v6 = given.parse::<std::net::Ipv6Addr>().is_ok();
    if bare_v6 {
        return format!("[{given}]:{PORT}");
    }
    let has_port = given.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { given.to_owned() } else { format!("{given}:{PORT}") }
}

/// What a first manager advertises.
pub fn advertised(given: &str) -> Result<SocketAddr, AddressError> {
    let own = own_addresses()?;
    if let Some(address) = parse(given)? {
        return check_ours(address, &own);
    }
    // A v4 address is preferred: nobody wants to type the other kind.
    let v4: Vec<IpAddr> = own.iter().copied().filter(IpAddr::is_ipv4).collect();
    let candidates = if v4.is_empty() { own } else { v4 };
    match candidates.as_slice() {
        [] => Err(AddressError::None),
        [only] => Ok(SocketAddr::new(*only, PORT)),
        several => Err(AddressError::Ambiguous(list(several))),
    }
}

/// What a joiner advertises: the address by which it reaches the manager.
pub async fn advertised_towards(given: &str, manager: &str) -> Result<SocketAddr, AddressError> {
    if let Some(address) = parse(given)? {
        return check_ours(address, &own_addresses()?);
    }
    let target = resolve(manager).await?;
    let any: IpAddr = if target.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    // Nothing is sent: the kernel only looks up which address it would use.
    let local = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(target)?;
        socket.local_addr()
    });
    let local = local.map_err(|error| AddressError::NoRoute(manager.to_owned(), error))?;
    Ok(SocketAddr::new(local.ip(), PORT))
}

async fn resolve(manager: &str) -> Result<SocketAddr, AddressError> {
    let found = tokio::time::timeout(RESOLVE_LIMIT, tokio::net::lookup_host(manager)).await;
    let found = found.map_err(|_| AddressError::NoNameServer(manager.to_owned()))?;
    let first = found.ok().and_then(|mut it| it.next());
    first.ok_or_else(|| AddressError::Unresolved(manager.to_owned()))
}

fn check_ours(address: SocketAddr, own: &[IpAddr]) -> Result<SocketAddr, AddressError> {
    if address.ip().is_loopback() || own.contains(&address.ip()) {
        return Ok(address);
    }
    Err(AddressError::NotOurs(address.ip(), list(own)))
}

fn list(addresses: &[IpAddr]) -> String {
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// Addresses of real interfaces: not of loopback, and not of what container engines make.
pub fn own_addresses() -> Result<Vec<IpAddr>, AddressError> {
    let mut found = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        let name = interface.interface_name.as_str();
        let is_virtual = ["docker", "br-", "veth", "virbr", "skep", "vx"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        let Some(address) = interface.address.filter(|_| !is_virtual) else { continue };
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        let v6 = address.as_sockaddr_in6().map(|it| it.ip());
        // Link-local addresses mean nothing on another machine.
        let v6 = v6.filter(|it| it.segments()[0] & 0xffc0 != 0xfe80).map(IpAddr::V6);
        found.extend(v4.or(v6).filter(|it| !it.is_loopback()));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_filled_in() {
        let cases = [
            ("10.0.0.1", "10.0.0.1:7373"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("rasp1", "rasp1:7373"),
            ("fd00::1", "[fd00::1]:7373"),
        ];
        for (given, full) in cases {
            assert_eq!(with_port(given), full);
        }
    }

    #[test]
    fn addresses_are_read() {
        assert!(matches!(parse(""), Ok(None)));
        assert!(matches!(parse("10.0.0.1"), Ok(Some(it)) if it.port() == PORT));
        assert!(matches!(parse("[::1]:80"), Ok(Some(it)) if it.port() == 80));
        for bad in ["x", "10.0.0.256", "10.0.0.1:99999"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
