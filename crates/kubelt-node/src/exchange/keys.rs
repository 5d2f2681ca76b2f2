//! Public keys of a core's devices: what anybody may seal to.

use bytes::Bytes;
use kubelt_core::{
    CoreId, MapPath, Signed, codec,
    limits::VALUE_BYTES_MAX,
    schema::{DeviceKey, Exit, KEYS},
};

use super::Exchange;
use crate::{exchange::OpsError, limits::DEVICE_KEYS_MAX};

/// The key of one device, with the operation that proves it.
#[derive(Debug, Clone)]
pub struct PublishedKey {
    /// What its owner calls the device.
    pub device: String,
    /// The key.
    pub key: DeviceKey,
    /// The operation that put it there, signed by an account itself.
    pub signed: Bytes,
    /// Its body.
    pub body: Bytes,
}

impl Exchange {
    /// The keys that a core has published, `DEVICE_KEYS_MAX` at most, for anybody whom the core lets in by HTTP. Whoever
    /// publishes a key wants to be found. Keys that a session put there are left out: a node could have done that.
    ///
    /// # Errors
    /// [`OpsError::NotFound`] alike for a core that is missing and for one that has none.
    pub fn keys(&self, core: &CoreId) -> Result<Vec<PublishedKey>, OpsError> {
        let under: MapPath = KEYS.parse().expect("a plain word is a path");
        let door = self.access.door(core, Exit::Http)?;
        let mut keys = Vec::new();
        for (path, state) in self.store.state_scan(core, Some(&under), None, DEVICE_KEYS_MAX)? {
            let value = codec::decode(&state.value, VALUE_BYTES_MAX, "value").ok();
            let device = path.below(KEYS).unwrap_or_default();
            let key = value.and_then(|value| DeviceKey::read(device, &value).ok());
            let op = self.store.op(core, &state.id)?;
            let (Some(key), Some(op)) = (key.filter(|_| door.is_open(&path)), op) else { continue };
            let by_account = Signed::decode(&op.signed)?.header.login.is_none();
            if let Some(body) = op.body.filter(|_| by_account) {
                keys.push(PublishedKey { device: device.to_owned(), key, signed: op.signed, body });
            }
        }
        if keys.is_empty() { Err(OpsError::NotFound) } else { Ok(keys) }
    }
}
