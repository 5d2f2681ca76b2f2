//! What the HTTP library can do at best: a server of its own process that answers every request with the same bytes from
//! memory and does nothing else. A node cannot be faster without another library.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use axum::serve::ListenerExt as _;
use axum::{Router, routing::get};
use bytes::Bytes;
use tokio::net::TcpListener;

use crate::machine::incompressible;
use crate::process::{Server, again, free_address};
use crate::world::runtime;

/// The task of the process that serves.
pub(crate) const CHILD: &str = "serve-from-memory";

/// Starts one that answers with `bytes` bytes.
pub(crate) fn start(bytes: usize) -> Result<Server> {
    let address = free_address()?;
    let mut command: Command = again(CHILD)?;
    command.arg(&address).arg(bytes.to_string()).stdout(Stdio::null());
    Server::start(command, address)
}

/// What the process does, until it is killed.
pub(crate) fn child(mut words: impl Iterator<Item = String>) -> Result<()> {
    let address = words.next().context("needs an address")?;
    let bytes = words.next().context("needs a size")?.parse()?;
    let body = Bytes::from(incompressible(bytes));
    let routes = Router::new().route("/", get(move || async move { body.clone() }));
    runtime()?.block_on(async {
        let listener = TcpListener::bind(&address).await?.tap_io(|stream| {
            // A hint.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, routes).await?;
        Ok(())
    })
}
