//! The API as clients meet it, over a store in memory.

mod attacks;
mod attacks_gateway;
mod cars;
mod content;
mod denylists;
mod exposure;
mod gateway;
mod harness;
mod kept;
mod kubo;
mod kubo_limits;
mod listings;
mod logs;
mod naming;
mod naming_own;
mod network;
mod pins;
mod privacy;
mod receipts;
mod remotes;
mod routes;
mod settings;
mod sign_in;
mod tokens;
mod unpublished;
mod usage;
