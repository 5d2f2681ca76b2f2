//! Certificates: those that the operator gives, and those that a certificate authority issues for hosts of cores.
//!
//! `shelf.rs` has what is shown to whom, `files.rs` reads the operator's files, `issuer.rs` speaks ACME (RFC 8555), and
//! `keeper.rs` is the worker that sees to it that every host has a certificate before the last one ends.

mod certificate;
mod files;
mod issuer;
mod keeper;
mod shelf;

pub(crate) use files::CertificateFiles;
pub(crate) use issuer::{AcmeConfig, Way};
pub(crate) use keeper::keeper;
pub(crate) use shelf::Shelf;
