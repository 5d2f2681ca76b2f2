use super::is_public;

#[test]
fn addresses_of_no_use_to_strangers_are_told_apart() {
    let public = [
        "/ip4/8.8.8.8/tcp/4001",
        "/ip6/2606:4700::1111/udp/4001/quic-v1",
        "/dns4/node.example/tcp/4001",
        "/dnsaddr/bootstrap.example",
    ];
    let private = [
        "/ip4/127.0.0.1/tcp/4001",
        "/ip4/10.1.2.3/tcp/4001",
        "/ip4/172.16.0.1/tcp/4001",
        "/ip4/192.168.1.1/tcp/4001",
        "/ip4/169.254.1.1/tcp/4001",
        "/ip4/100.64.0.1/tcp/4001",
        "/ip4/0.0.0.0/tcp/4001",
        "/ip4/224.0.0.1/tcp/4001",
        "/ip4/255.255.255.255/tcp/4001",
        "/ip4/203.0.113.1/tcp/4001",
        "/ip6/::1/tcp/4001",
        "/ip6/fe80::1/tcp/4001",
        "/ip6/fd00::1/tcp/4001",
        "/ip6/2001:db8::1/tcp/4001",
        "/ip6/::ffff:8.8.8.8/tcp/4001",
        "/dns4/localhost/tcp/4001",
        "/dns4/printer.local/tcp/4001",
        "/memory/1",
        "/p2p/12D3KooWGQmdpzHXCqLno4mMxWXKNFQHASBeF99gTm2JR8Vu5Bdc/p2p-circuit",
    ];
    for (addresses, expected) in [(&public[..], true), (&private[..], false)] {
        for address in addresses {
            assert_eq!(is_public(&address.parse().expect("an address")), expected, "{address}");
        }
    }
}
