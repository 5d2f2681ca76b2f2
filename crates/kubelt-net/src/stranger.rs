//! A stranger: a peer of a moment that nobody knows, which asks for a block as anybody would. So it is seen from outside
//! what a peer gives to whom.

use cid::Cid;
use kubelt_node::{NodeAddress, NodeKey, StrangerError};
use libp2p::{Multiaddr, identity::Keypair};
use tokio::time::timeout;

use crate::{
    DhtMode, Net, NetConfig,
    direct::is_direct,
    guard::Guard,
    limits::{STRANGER_ADDRESSES_MAX, STRANGER_BLOCK_TIME, STRANGER_DIAL_TIME},
};

/// Connects at the first of these addresses that leads anywhere, and asks for a block.
pub(crate) async fn ask(addresses: &[String], cid: &Cid, guard: Guard) -> Result<(), StrangerError> {
    let places: Vec<Multiaddr> =
        addresses.iter().filter_map(|text| place(text)).take(STRANGER_ADDRESSES_MAX).collect();
    if places.is_empty() {
        return Err(StrangerError::NoAddress);
    }
    let not_reached = |error: &dyn std::fmt::Display| StrangerError::NotReached(error.to_string());
    let pair = Keypair::generate_ed25519().try_into_ed25519().map_err(|error| not_reached(&error))?;
    let seed: [u8; 32] = pair.secret().as_ref().try_into().expect("a secret key has 32 bytes");
    let config = NetConfig { dht: DhtMode::Off, ..NetConfig::default() };
    let stranger = Net::start_guarded(&NodeKey::from_seed(seed), &config, guard).await;
    let stranger = stranger.map_err(|error| not_reached(&error))?;
    let mut failed = StrangerError::NoAddress;
    for place in places {
        match timeout(STRANGER_DIAL_TIME, stranger.connect(place.clone())).await {
            Ok(Ok(_peer)) => {
                let given = stranger.fetch_block(*cid, STRANGER_BLOCK_TIME).await;
                return given.map(drop).map_err(|_error| StrangerError::NotGiven);
            }
            Ok(Err(error)) => failed = not_reached(&error),
            Err(_late) => failed = not_reached(&format!("`{place}` does not answer")),
        }
    }
    Err(failed)
}

/// An address of libp2p; those that lead to replication alone are none.
fn place(text: &str) -> Option<Multiaddr> {
    if text.parse::<NodeAddress>().is_ok_and(|address| is_direct(&address)) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use cid::Cid;
    use kubelt_content::{Block, Codec};
    use kubelt_node::{LookingUp, PublishedBlock, PublishedBlocks, StrangerError};

    use super::ask;
    use crate::{DhtMode, NetConfig, guard::Guard, tests::start};

    /// One block for everybody.
    #[derive(Debug)]
    struct One(Cid, Bytes);

    impl PublishedBlocks for One {
        fn look_up(&self, asked: Vec<(Cid, bool)>, _bytes_max: usize) -> LookingUp<'_> {
            let answer = |(cid, with_bytes)| match (cid == self.0, with_bytes) {
                (true, true) => PublishedBlock::Bytes(self.1.clone()),
                (true, false) => PublishedBlock::Here,
                (false, _) => PublishedBlock::Missing,
            };
            let answers = asked.into_iter().map(answer).collect();
            Box::pin(async { answers })
        }

        fn openings(&self) -> u64 {
            0
        }
    }

    fn block(text: &'static str) -> (Cid, Bytes) {
        Block::new(Codec::Raw, text.as_bytes().into()).expect("small").into_parts()
    }

    #[tokio::test]
    async fn a_stranger_gets_what_is_published_and_nothing_else() {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
        let node = start(1, &NetConfig { listen, dht: DhtMode::Off, ..NetConfig::default() }).await;
        let (published, other) = (block("published"), block("not published"));
        node.serve_blocks(Arc::new(One(published.0, published.1)));
        let at: Vec<String> = node.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(ask(&at, &published.0, Guard::default()).await, Ok(()));
        assert_eq!(ask(&at, &other.0, Guard::default()).await, Err(StrangerError::NotGiven));
        let peer = node.id();
        let only_replication = vec![format!("/ip4/127.0.0.1/tcp/1/tls/p2p/{peer}"), "nonsense".to_owned()];
        assert_eq!(
            ask(&only_replication, &published.0, Guard::default()).await,
            Err(StrangerError::NoAddress)
        );
        let near = ask(&at, &published.0, Guard::new(true)).await;
        assert!(matches!(near, Err(StrangerError::NotReached(_))), "{near:?}");
        let itself = Guard::new(true);
        itself.exempt(node.id());
        assert_eq!(ask(&at, &published.0, itself).await, Ok(()));
        let nobody = vec![format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}")];
        let refused = ask(&nobody, &published.0, Guard::default()).await;
        assert!(matches!(refused, Err(StrangerError::NotReached(_))), "{refused:?}");
    }
}
