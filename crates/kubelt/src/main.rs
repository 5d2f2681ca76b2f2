//! `kubelt`: one binary that is a node, and a client of any node's API.
//!
//! The command line holds no rules of its own: what it may do and what its answers mean is the node's business.
//! What it does itself is what no node may do for it: it keeps wallets, signs with them, cuts files into blocks
//! and checks what comes back. Start at [`serve`] for the node, which is wired there in one function, and at
//! [`cli`] for the commands, one file for each group; [`client`] speaks HTTP, [`upload`] and [`download`] are
//! what `publish` and `get` do with files.

mod chain_config;
mod cli;
mod client;
mod config_dir;
mod denylists;
mod download;
#[cfg(test)]
mod fake_node;
mod gateways;
mod jwks_client;
mod keystore;
mod limits;
mod node_config;
mod output;
mod pinning_client;
mod private_file;
mod public_door;
mod public_only;
mod routers;
mod scratch_file;
mod serve;
mod tls;
mod txt_lookup;
mod upload;

use std::process::ExitCode;

/// A core's history is very many small values, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
