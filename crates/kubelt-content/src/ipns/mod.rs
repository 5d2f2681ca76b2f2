//! IPNS: names that are keys, and the signed records that say where they point (IPNS Record and Protocol
//! specification).
//!
//! [`Name`] is the text in URLs, [`Record`] what publishers sign and routers carry. A record is decoded first
//! ([`Record::decode`]: size, shape, agreement of its two generations) and then validated against a name and a
//! time ([`Record::validate`]: key, signature, expiry). [`SecretKey`] signs.

mod data;
mod der;
mod key;
mod name;
mod record;

pub use data::DataError;
pub use key::{KeyError, PublicKey, SecretKey};
pub use name::{Name, NameError};
pub use record::{CreateError, Generations, NewRecord, Record, RecordError, ValidateError};
