//! The node's own key: an Ed25519 key, made when it is first asked for, under which peers know the node.
//!
//! Its libp2p peer id and its `did:key` follow from it. It proves to peers who they speak with; it has no
//! authority in any core but what that core's own map gives to a host of this name.

use std::{fmt, sync::Arc};

use kubelt_core::{Account, PublicKey, sign::SessionKey};
use kubelt_store::{CommitError, Store, TxError};
use tokio::sync::OnceCell;

use crate::{StoreError, clock::random};

const NAMESPACE: &str = "node";
const KEY: &[u8] = b"peer-seed";
/// A libp2p public key: protobuf field 1 (type) is Ed25519, field 2 the 32 bytes that follow. Its id is the key
/// itself under the identity hash (code 0, 36 bytes).
const ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
/// Longest base58 form of an Ed25519 peer id, in bytes.
const ID_TEXT_BYTES_MAX: usize = 52;

/// Where the node's key is; cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity {
    store: Store,
    key: Arc<OnceCell<NodeKey>>,
}

/// The node's key.
#[derive(Clone)]
pub struct NodeKey {
    seed: [u8; 32],
    key: SessionKey,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The store could not be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The key could not be put into a transaction.
    #[error("the node's key could not be stored")]
    Tx(#[from] TxError),
    /// The key could not be stored.
    #[error("the node's key could not be stored")]
    Commit(#[from] CommitError),
}

impl Identity {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, key: Arc::default() }
    }

    /// The node's key.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn key(&self) -> Result<&NodeKey, IdentityError> {
        self.key.get_or_try_init(|| self.make()).await
    }

    /// The node's public key, where it was asked for before.
    pub(crate) fn known(&self) -> Option<PublicKey> {
        self.key.get().map(NodeKey::public)
    }

    async fn make(&self) -> Result<NodeKey, IdentityError> {
        let stored =
            self.store.meta(NAMESPACE, KEY)?.and_then(|seed| <[u8; 32]>::try_from(seed.as_ref()).ok());
        if let Some(seed) = stored {
            return Ok(NodeKey::from_seed(seed));
        }
        let seed = random();
        let mut tx = self.store.begin();
        tx.put_meta(NAMESPACE, KEY, Some(&seed))?;
        tx.commit().await?;
        Ok(NodeKey::from_seed(seed))
    }
}

impl NodeKey {
    /// The key of a seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed, key: SessionKey::from_seed(seed) }
    }

    /// The secret seed (RFC 8032).
    pub const fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The node as an account: its `did:key`.
    pub fn account(&self) -> Account {
        self.key.account()
    }

    /// The libp2p peer id, as base58 text.
    pub fn peer_id(&self) -> String {
        peer_id(&self.public()).expect("keys made from seeds are Ed25519")
    }
}

/// The Ed25519 key that a peer id in base58 is.
pub fn peer_key(id: &str) -> Option<PublicKey> {
    if id.len() > ID_TEXT_BYTES_MAX {
        return None;
    }
    let bytes = cid::multibase::Base::Base58Btc.decode(id).ok()?;
    let key = bytes.strip_prefix(ID_PREFIX.as_slice())?;
    PublicKey::ed25519(key.try_into().ok()?).ok()
}

/// The peer id of an Ed25519 key.
pub fn peer_id(key: &PublicKey) -> Option<String> {
    let PublicKey::Ed25519(key) = key else { return None };
    let id = [ID_PREFIX.as_slice(), key].concat();
    // Peer ids are written without multibase's own first letter.
    Some(cid::multibase::Base::Base58Btc.encode(id))
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeKey").field(&self.peer_id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use kubelt_store::{Options, Store};

    use super::{Identity, NodeKey};

    #[test]
    fn ids_of_ed25519_keys_begin_alike() {
        let id = NodeKey::from_seed([7; 32]).peer_id();
        assert!(id.starts_with("12D3KooW"), "{id}");
        assert_eq!(id.len(), 52);
    }

    #[tokio::test]
    async fn a_node_keeps_its_key() {
        let store = Store::memory(Options::default());
        let first = Identity::new(store.clone()).key().await.expect("is made").peer_id();
        assert_eq!(Identity::new(store).key().await.expect("is read").peer_id(), first);
    }
}
