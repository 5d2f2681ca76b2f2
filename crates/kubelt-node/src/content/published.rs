//! What peers may have by CID: what strangers may read, block by block.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::read::Blocks as _;

use super::Content;
use crate::{access::Reader, blocks::Within, limits::INLINE_READ_BYTES_MAX};

/// What a look for a block answers, when it is done.
pub type LookingUp<'a> = Pin<Box<dyn Future<Output = Vec<PublishedBlock>> + Send + 'a>>;

/// Blocks that anybody may have who knows their CID.
pub trait PublishedBlocks: Send + Sync + std::fmt::Debug {
    /// Looks blocks up, each with whether its bytes are wanted. Gives an answer for each in the same order, or only for
    /// the first ones where their bytes are more than `bytes_max`; for one at least.
    fn look_up(&self, asked: Vec<(Cid, bool)>, bytes_max: usize) -> LookingUp<'_>;

    /// A number that is another one once blocks may be had that could not be had before.
    fn openings(&self) -> u64;
}

/// What strangers may know of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedBlock {
    /// It is not here, or not for them.
    Missing,
    /// It is here.
    Here,
    /// It is this.
    Bytes(Bytes),
}

impl PublishedBlocks for Content {
    fn look_up(&self, asked: Vec<(Cid, bool)>, bytes_max: usize) -> LookingUp<'_> {
        Box::pin(async move {
            let mut opened = Vec::with_capacity(asked.len());
            for (cid, with_bytes) in asked {
                opened.push((cid, with_bytes, self.open_to_all(&cid).await));
            }
            if self.are_small(&opened) {
                return self.read_opened(&opened, bytes_max);
            }
            let this = self.clone();
            // Blocks may have to come from the disk.
            let read = tokio::task::spawn_blocking(move || this.read_opened(&opened, bytes_max));
            read.await.expect("reading blocks does not panic")
        })
    }

    fn openings(&self) -> u64 {
        self.cores.openings()
    }
}

impl Content {
    /// By what strangers are let in to a block, if at all.
    async fn open_to_all(&self, cid: &Cid) -> Option<Within> {
        if self.permit(cid, &[]).is_err() {
            return None;
        }
        match self.let_in(&Reader::Anonymous, cid).await {
            Ok(let_in) => let_in.map(|(_, within)| within),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(%cid, error, "a block that a peer wants could not be looked up");
                None
            }
        }
    }

    /// Whether so few bytes are wanted that reading them is cheaper than having another thread do it.
    fn are_small(&self, opened: &[(Cid, bool, Option<Within>)]) -> bool {
        let mut left = INLINE_READ_BYTES_MAX;
        opened.iter().filter(|(_, _, within)| within.is_some()).all(|(cid, _, _)| {
            let len = self.store.block_len(cid).ok().flatten().unwrap_or_default();
            let fits = left.checked_sub(u64::from(len));
            left = fits.unwrap_or_default();
            fits.is_some()
        })
    }

    fn read_opened(&self, opened: &[(Cid, bool, Option<Within>)], bytes_max: usize) -> Vec<PublishedBlock> {
        let mut found = Vec::with_capacity(opened.len());
        let mut bytes = 0;
        for (cid, with_bytes, within) in opened {
            let data = within.as_ref().and_then(|within| {
                let blocks = self.blocks(within);
                // Whether a block is there is asked rarely: its bytes tell it surely.
                blocks.block(cid).ok()
            });
            found.push(match data {
                None => PublishedBlock::Missing,
                Some(_) if !with_bytes => PublishedBlock::Here,
                Some(data) => {
                    bytes += data.len();
                    PublishedBlock::Bytes(data)
                }
            });
            if bytes >= bytes_max {
                break;
            }
        }
        found
    }
}
