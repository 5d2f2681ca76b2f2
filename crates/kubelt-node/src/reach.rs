//! Which addresses belong to the public internet.
//!
//! Whoever lets others choose where the node connects to looks here first: what is behind an address of this machine, or
//! of a network around it, is none of theirs.

use std::net::IpAddr;

/// Whether an address is one of the public internet (the special ones are those of the IANA registries).
pub fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = v4.is_unspecified()
                || v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b));
            !special
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // Only 2000::/3 is given out, and of that these lead elsewhere: Teredo, 6to4, documentation.
            let given_out = first & 0xe000 == 0x2000;
            let leads_elsewhere = first == 0x2002
                || (first == 0x2001 && (second < 0x200 || second == 0xdb8))
                || first == 0x3fff;
            match v6.to_ipv4_mapped() {
                Some(v4) => is_public_address(IpAddr::V4(v4)),
                None => given_out && !leads_elsewhere,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_public_address;

    #[test]
    fn only_the_public_internet_is_public() {
        for text in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1"] {
            assert!(is_public_address(text.parse().expect("an address")), "{text}");
        }
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_public_address(text.parse().expect("an address")), "{text}");
        }
    }
}
