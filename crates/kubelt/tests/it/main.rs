//! The whole of `kubelt` from outside: the real binary as node and as command line, over loopback.

mod bad_input;
mod cli;
mod faults;
mod fetching;
mod first_minutes;
mod heirs;
mod mirrors;
mod network;
mod proxy;
mod receipts;
mod requests;
mod resume;
mod sealed;
mod sessions;
mod team;
mod transcript;
mod tree;
mod two_nodes;
mod with_token;
