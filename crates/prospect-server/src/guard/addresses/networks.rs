//! Kinds of networks, and ranges of IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of network of an IP address, ordered from what strangers may reach to what they must not
/// reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The internet.
    Public,
    /// A private network: RFC 1918, carrier-grade NAT, unique local addresses.
    Inner,
    /// This machine.
    Loopback,
    /// Everything else: link-local, multicast, unspecified, reserved, documentation, and addresses that hold another one.
    Special,
}

/// The IPv4 address, if an IPv6 address only embeds one.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The kind of network of an IP address.
pub(super) fn kind(address: IpAddr) -> Kind {
    match canonical(address) {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Kind::Inner,
        [127, ..] => Kind::Loopback,
        [0, ..] | [169, 254, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => {
            Kind::Special
        }
        [198, 51, 100, _] | [203, 0, 113, _] | [224..=255, ..] => Kind::Special,
        _ => Kind::Public,
    }
}

/// In IPv6 the internet is 2000::/3, except for parts that are reserved or embed IPv4 addresses.
fn kind_v6(address: Ipv6Addr) -> Kind {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        [0xfc00..=0xfdff, ..] => Kind::Inner,
        // Teredo, benchmarks, ORCHID and documentation; then 6to4; then documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Special,
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Special,
    }
}

/// All IP addresses with the same prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: IpAddr,
    bits: u8,
}

impl Range {
    /// `address/bits`. `None` if the address has fewer bits, or is an IPv6 address that embeds an IPv4
    /// address.
    pub(super) fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_plain = canonical(address) == address;
        (bits <= most && is_plain).then_some(Self { first: address, bits })
    }

    /// A single address.
    pub(super) fn one(address: IpAddr) -> Self {
        let address = canonical(address);
        Self { first: address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let (first, other, width) = match (self.first, canonical(address)) {
            (IpAddr::V4(first), IpAddr::V4(other)) => {
                (u128::from(first.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(first), IpAddr::V6(other)) => (first.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let differing = (first ^ other).checked_shr(width - u32::from(self.bits));
        differing.unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Range {
        let (address, bits) = text.split_once('/').unwrap();
        Range::new(address.parse().unwrap(), bits.parse().unwrap()).unwrap()
    }

    #[test]
    fn ranges_hold_what_begins_as_they_do() {
        for (within, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "2606:4700::1", true),
            ("::1/128", "::2", false),
        ] {
            assert_eq!(range(within).contains(address.parse().unwrap()), expected, "{address} in {within}");
        }
        assert!(Range::new("10.0.0.0".parse().unwrap(), 33).is_none());
        assert!(Range::new("::ffff:10.0.0.0".parse().unwrap(), 104).is_none(), "two ways to say one thing");
    }

    proptest! {
        #[test]
        fn nothing_that_the_standard_library_calls_special_is_public(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let is_special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            prop_assert!(!is_special || kind(address.into()) != Kind::Public);
            prop_assert_eq!(kind(address.to_ipv6_mapped().into()), kind(address.into()));
        }

        #[test]
        fn every_public_ipv6_address_is_a_global_unicast_one(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            prop_assert!(kind(address.into()) != Kind::Public || address.to_ipv4_mapped().is_some() || bits >> 125 == 1);
        }
    }
}
