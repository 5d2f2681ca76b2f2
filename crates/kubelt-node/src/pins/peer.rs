//! The node's name among IPFS peers: the id of an Ed25519 key of its own (libp2p peer ids).
//!
//! Answers of the Pinning Service API must name at least one multiaddr with such an id where pinned data may be
//! sent. The key signs nothing yet.

use kubelt_core::{PublicKey, sign::SessionKey};

use super::{PinError, Pins};
use crate::{clock::random, content::UploadError};

const NAMESPACE: &str = "node";
const KEY: &[u8] = b"peer-seed";
/// A libp2p public key: protobuf field 1 (type) is Ed25519, field 2 the 32 bytes that follow. Its id is the key
/// itself under the identity hash (code 0, 36 bytes).
const ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

impl Pins {
    /// The peer id, as base58 text. The key is made when it is first asked for.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn peer_id(&self) -> Result<String, PinError> {
        let made = self.shared.peer_id.get_or_try_init(|| self.make_peer_id()).await?;
        Ok(made.clone())
    }

    async fn make_peer_id(&self) -> Result<String, PinError> {
        let stored =
            self.store.meta(NAMESPACE, KEY)?.and_then(|seed| <[u8; 32]>::try_from(seed.as_ref()).ok());
        let seed = match stored {
            Some(seed) => seed,
            None => {
                let seed = random();
                let mut tx = self.store.begin();
                tx.put_meta(NAMESPACE, KEY, Some(&seed)).map_err(UploadError::from)?;
                tx.commit().await.map_err(UploadError::from)?;
                seed
            }
        };
        Ok(peer_id(&SessionKey::from_seed(seed).public()))
    }
}

fn peer_id(key: &PublicKey) -> String {
    let PublicKey::Ed25519(key) = key else { unreachable!("keys made from seeds are Ed25519") };
    let id = [ID_PREFIX.as_slice(), key].concat();
    let text = cid::multibase::encode(cid::multibase::Base::Base58Btc, id);
    // Peer ids are written without multibase's own first letter.
    text.trim_start_matches('z').to_owned()
}

#[cfg(test)]
mod tests {
    use kubelt_core::PublicKey;

    use super::peer_id;

    #[test]
    fn ids_of_ed25519_keys_begin_alike() {
        let id = peer_id(&PublicKey::Ed25519([7; 32]));
        assert!(id.starts_with("12D3KooW"), "{id}");
        assert_eq!(id.len(), 52);
    }
}
