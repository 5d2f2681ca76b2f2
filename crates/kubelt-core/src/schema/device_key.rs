//! The value of `keys/<device>`: a public key that content can be sealed to.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;

use super::{SchemaError, encryption::bytes, fields::Fields};
use crate::{limits::NAME_BYTES_MAX, path::MapPath};

/// First segment of the map's paths of public keys.
pub const KEYS: &str = "keys";

/// The encryption key of one device: a map of `x25519`, 32 bytes (RFC 7748). No other fields. Others seal to it only
/// where the account itself, no session, signed the `put`: a node that holds sessions' keys cannot slip in its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DeviceKey {
    /// The public key.
    pub x25519: [u8; 32],
}

impl DeviceKey {
    /// Where the key of a device stands in the map; none where the name has other than 1 to 64 lower-case letters,
    /// digits, `-` and `_`.
    pub fn path(device: &str) -> Option<MapPath> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let fits = (1..=NAME_BYTES_MAX).contains(&device.len()) && device.bytes().all(plain);
        fits.then(|| MapPath::new(format!("{KEYS}/{device}")).expect("such a name is a segment"))
    }

    /// Reads the value at `keys/<device>`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none, or `device` cannot be the name of one.
    pub fn read(device: &str, value: &Ipld) -> Result<Self, SchemaError> {
        if Self::path(device).is_none() {
            return Err(SchemaError::Depth {
                path: format!("{KEYS}/{device}"),
                expected: "keys/<1 to 64 lower-case letters, digits, `-` or `_`>",
            });
        }
        let fields = Fields::of(value)?;
        fields.only(&["x25519"])?;
        Ok(Self { x25519: fields.required("x25519", "32 bytes", bytes)? })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        Ipld::Map(BTreeMap::from([("x25519".to_owned(), Ipld::Bytes(self.x25519.to_vec()))]))
    }
}
