//! CAR: blocks in a stream (IPLD specifications "CARv1" and "CARv2").
//!
//! [`CarDecoder`] takes bytes as they come and checks every block; [`CarWriter`] gives the bytes
//! to send. Neither holds more than one section.

mod decode;
mod encode;
mod header;
mod rope;

pub use decode::{CarDecoder, CarError, CarEvent, CarLimits, CarSummary};
pub use encode::{CarWriter, PayloadLength, section_len};
pub use header::HeaderError;
