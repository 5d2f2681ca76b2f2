//! The one message of the DHT that libp2p sends only after a walk of its own: ADD_PROVIDER, without an answer
//! (Kademlia DHT, libp2p specification).

use libp2p::{Multiaddr, PeerId};

const TYPE: u64 = 1;
const KEY: u64 = 2;
const PROVIDERS: u64 = 9;
const ADD_PROVIDER: u64 = 2;
const PEER_ID: u64 = 1;
const PEER_ADDRESS: u64 = 2;

/// What this node says of itself in each message.
pub(crate) fn provider(own: &PeerId, addresses: &[Multiaddr]) -> Vec<u8> {
    let mut provider = Vec::new();
    put_bytes(&mut provider, PEER_ID, &own.to_bytes());
    for address in addresses {
        put_bytes(&mut provider, PEER_ADDRESS, &address.to_vec());
    }
    provider
}

/// A message with its length in front: that `provider` provides `key`.
pub(crate) fn add_provider(key: &[u8], provider: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(key.len() + provider.len() + 16);
    put_varint(&mut message, TYPE << 3);
    put_varint(&mut message, ADD_PROVIDER);
    put_bytes(&mut message, KEY, key);
    put_bytes(&mut message, PROVIDERS, provider);
    let mut framed = Vec::with_capacity(message.len() + 3);
    put_varint(&mut framed, message.len() as u64);
    framed.extend_from_slice(&message);
    framed
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::{add_provider, provider};

    #[test]
    fn it_has_the_bytes_of_the_specification() {
        let own = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN".parse().expect("a peer id");
        let address = "/ip4/192.0.2.1/tcp/4001".parse().expect("an address");
        let message = add_provider(&[0xaa; 34], &provider(&own, &[address]));
        let id = own.to_bytes();
        // Type 2, a key of 34 bytes, a peer of 36 + 10 bytes.
        let expected = [
            &[86][..],
            &[0x08, 0x02, 0x12, 34],
            &[0xaa; 34],
            &[0x4a, 46, 0x0a, 34],
            &id,
            &[0x12, 8, 4, 192, 0, 2, 1, 6, 0x0f, 0xa1],
        ]
        .concat();
        assert_eq!(message, expected);
    }

    #[test]
    fn a_long_message_has_a_long_length() {
        let message = add_provider(&[1; 300], &[]);
        assert_eq!(message[..2], [0xb3, 0x02], "307 bytes");
        assert_eq!(message.len(), 2 + 307);
    }
}
