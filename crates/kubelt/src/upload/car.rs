//! CARs into a core: only the blocks that it lacks are sent.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bytes::BytesMut;
use kubelt_content::Cid;
use kubelt_content::car::{CarDecoder, CarEvent};

use super::import::Halt;
use super::{Batches, Upload, UploadError};
use crate::limits::{CAR_LIMITS, CAR_READ_BYTES};

/// A CAR whose blocks the core now possesses.
#[derive(Debug, Clone)]
pub(crate) struct CarUploaded {
    /// The roots that it names.
    pub(crate) roots: Vec<Cid>,
    /// Blocks; repeated ones count once in a batch.
    pub(crate) blocks: u64,
    /// Of them, those that the core had before.
    pub(crate) blocks_known: u64,
    /// Bytes of the blocks that were sent.
    pub(crate) bytes_sent: u64,
}

impl Upload<'_> {
    /// Brings the blocks of the CAR at `path` into the core, each checked against its CID before it is sent.
    pub(crate) fn run_car(&self, path: &Path) -> Result<CarUploaded, UploadError> {
        let (roots, sent) = self.sending(|batches| read(path, batches))?;
        let super::Sent { blocks, blocks_known, bytes_sent } = sent;
        Ok(CarUploaded { roots, blocks, blocks_known, bytes_sent })
    }
}

fn read(path: &Path, batches: &mut Batches<'_>) -> Result<Vec<Cid>, Halt> {
    let unreadable = |source| Halt::Failed(UploadError::Read { path: path.to_owned(), source });
    let unsound = |source| Halt::Failed(UploadError::Car { path: path.to_owned(), source });
    let mut file = File::open(path).map_err(unreadable)?;
    let mut decoder = CarDecoder::new(CAR_LIMITS);
    let mut named = Vec::new();
    loop {
        let mut piece = BytesMut::zeroed(CAR_READ_BYTES);
        let count = file.read(&mut piece).map_err(unreadable)?;
        if count == 0 {
            decoder.finish().map_err(unsound)?;
            return Ok(named);
        }
        decoder.push(piece.split_to(count).freeze());
        while let Some(event) = decoder.next_event().map_err(unsound)? {
            match event {
                CarEvent::Header { roots, .. } => named = roots,
                CarEvent::Block(block) => batches.node(block)?,
            }
        }
    }
}
