//! `kubelt peers`: the node among its peers.

use anyhow::Result;
use clap::{Args, Subcommand};
use kubelt_api::{PeerList, PeerView, SecureAddress, TriedAddress};

use super::caller::Caller;
use crate::output::columns;

#[derive(Debug, Subcommand)]
pub(super) enum PeersCommand {
    /// List the peers that the node is connected to
    Ls,
    /// Connect the node to a peer
    Connect(ConnectArgs),
}

#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    /// Where the peer is, with its id at the end: `/ip4/192.0.2.1/tcp/4748/p2p/12D3…`
    #[arg(value_name = "MULTIADDR")]
    address: String,
}

impl PeersCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Ls => {
                let list = caller.client()?.peers()?;
                caller.out.result(&list, || text(&list))?;
            }
            Self::Connect(args) => {
                let connected = caller.client()?.connect_peer(&args.address)?;
                caller.out.result(&connected, || format!("connected to {}\n", connected.id))?;
            }
        }
        Ok(())
    }
}

fn text(list: &PeerList) -> String {
    let row = |peer: &PeerView| {
        let ping = peer.ping_ms.map(|ms| format!("{ms:.1} ms")).unwrap_or_default();
        let address = peer.addresses.first().cloned().unwrap_or_default();
        [peer.id.clone(), ping, peer.agent.clone().unwrap_or_default(), address]
    };
    let mut text = format!("this node: {}\n", list.id);
    for address in &list.addresses {
        text.push_str(&format!("  {address}\n"));
    }
    for SecureAddress { address, certificate } in &list.secure {
        let held = if *certificate { "has a certificate" } else { "no certificate, so nobody connects" };
        text.push_str(&format!("  {address}: {held}\n"));
    }
    for TriedAddress { address, reached } in &list.tried {
        let said = if *reached { "reached by others" } else { "not reached by others" };
        text.push_str(&format!("  {address}: {said}\n"));
    }
    text.push_str(&match list.peers.len() {
        0 => "no peer is connected; `kubelt peers connect MULTIADDR` connects to one\n".to_owned(),
        n => format!("{n} connected:\n"),
    });
    text.push_str(&columns(&list.peers.iter().map(row).collect::<Vec<_>>()));
    text
}
