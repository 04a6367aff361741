//! Network addresses, as everything that bounds what one client may take looks at them.

use std::net::{IpAddr, Ipv6Addr};

/// What of an address stands for one client: all of an IPv4 address, the network of an IPv6 one (RFC 6177), in which a
/// client may choose the rest at will.
pub fn one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}
