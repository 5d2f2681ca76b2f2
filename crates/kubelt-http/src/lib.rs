//! The HTTP edge of a node: the API, what cores publish, and the first pages of the IPFS gateway.
//!
//! It translates: requests into calls of `kubelt-node`, results into answers, errors into problem documents
//! (RFC 9457). It holds no rules: who may see or do what is decided in `kubelt-node` and `kubelt-core`.
//!
//! Start at [`router`] (all routes), then `core_routes.rs` (`/@core/…`), then `problem.rs` (every error). `rpc.rs` is the same API by
//! JSON-RPC, and the wallet face.

mod app;
mod auth;
mod body;
mod bound;
mod car_upload;
mod content_routes;
mod core_routes;
mod delegated;
mod ens_routes;
mod event_routes;
mod file_response;
mod forwarded;
mod framing;
mod gate_routes;
mod gateway;
mod hosts;
mod json;
mod kept;
mod kubo;
mod limits;
mod log_routes;
mod member_routes;
mod metrics;
mod mirror_routes;
mod name_routes;
mod naming;
mod node_routes;
mod openapi;
mod openrpc;
mod origin;
mod own_pages;
mod page;
mod passkey;
mod path;
mod peer_routes;
mod pin_routes;
mod pinning_routes;
mod problem;
mod proof_routes;
mod published;
mod query;
mod range;
mod rate;
mod receipt_routes;
mod remote_routes;
mod request_id;
mod request_routes;
mod rpc;
mod sealed_routes;
mod server;
mod session_routes;
mod sniff;
mod state_routes;
mod time;
mod tls;
mod usage_routes;

pub use app::{Edge, HttpConfig, router};
pub use forwarded::{NotANetwork, TrustedProxies};
pub use hosts::GatewayHosts;
pub use openapi::openapi_json;
pub use openrpc::openrpc_json;
pub use origin::Hosts;
pub use own_pages::{OwnPage, OwnPages};
pub use rate::RateLimits;
pub use server::{SecureListener, serve};
pub use tls::{CertificateStanding, Certificates, Tls};
