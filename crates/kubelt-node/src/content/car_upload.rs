//! CARs on their way in.

use bytes::Bytes;
use cid::Cid;
use kubelt_content::car::{CarDecoder, CarEvent};
use kubelt_core::CoreId;
use tokio::sync::OwnedSemaphorePermit;

use super::{BlockSink, Content, UploadError};
use crate::limits::CAR;

impl Content {
    /// Begins to take in blocks from a CAR. The caller has asked [`Content::may_upload`].
    pub async fn upload_car(&self, core: CoreId) -> CarUpload {
        let slot = self.upload_slot().await;
        let decoder = CarDecoder::new(CAR);
        CarUpload {
            decoder,
            blocks: BlockSink::new(self.clone(), core),
            roots: Vec::new(),
            taken: 0,
            _slot: slot,
        }
    }
}

/// A CAR on its way in: its blocks become possessions of the core, opened by no path yet.
#[derive(Debug)]
pub struct CarUpload {
    decoder: CarDecoder,
    blocks: BlockSink,
    roots: Vec<Cid>,
    taken: u64,
    _slot: OwnedSemaphorePermit,
}

/// Blocks that were taken in.
#[derive(Debug, Clone)]
pub struct CarTaken {
    /// The roots that the CAR names.
    pub roots: Vec<Cid>,
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl CarUpload {
    /// Takes the next bytes of the CAR.
    ///
    /// # Errors
    /// [`UploadError::Car`] when they are malformed or a block does not match its CID; blocks before it may
    /// have been taken in.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), UploadError> {
        self.decoder.push(bytes);
        while let Some(event) = self.decoder.next_event()? {
            match event {
                CarEvent::Header { roots, .. } => self.roots = roots,
                CarEvent::Block(block) => {
                    self.taken += block.data().len() as u64;
                    self.blocks.put(block).await?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the blocks that came of a CAR that broke off, so that its sender need not send them again.
    ///
    /// # Errors
    /// [`UploadError`] when they could not be committed.
    pub async fn keep(mut self) -> Result<(), UploadError> {
        self.blocks.flush().await
    }

    /// Ends the CAR; its blocks are durable then.
    ///
    /// # Errors
    /// [`UploadError::Car`] when the CAR breaks off; the blocks before were taken in.
    pub async fn finish(mut self) -> Result<CarTaken, UploadError> {
        self.blocks.flush().await?;
        let summary = self.decoder.finish()?;
        Ok(CarTaken { roots: self.roots, blocks: summary.blocks, bytes: self.taken })
    }
}
