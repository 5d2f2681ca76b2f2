//! Blocks in batches, to a node that may have them already.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use kubelt_api::{CAR, PossessionRequest};
use kubelt_content::car::CarWriter;
use kubelt_content::{Block, Cid};

use super::Upload;
use super::import::Stopped;
use crate::client::{ClientError, Sending};
use crate::limits::{BATCH_BLOCKS_MAX, BATCH_BYTES};
use crate::output::Progress;

/// Blocks that are asked about and sent together; none twice.
#[derive(Debug, Default)]
pub(super) struct Batch {
    blocks: Vec<Block>,
    cids: HashSet<Cid>,
    bytes: usize,
}

/// Collects blocks into batches.
#[derive(Debug)]
pub(super) struct Batches<'a> {
    batch: Batch,
    full: SyncSender<Batch>,
    sender: &'a Sender<'a>,
}

impl<'a> Batches<'a> {
    pub(super) fn new(full: SyncSender<Batch>, sender: &'a Sender<'a>) -> Self {
        Self { batch: Batch::default(), full, sender }
    }

    /// Takes a leaf that holds so many bytes of a file.
    pub(super) fn leaf(&mut self, block: Block, file_bytes: u64) -> Result<(), Stopped> {
        self.sender.upload.progress.more(block.data().len() as u64 - file_bytes);
        self.take(block)
    }

    /// Takes a block that holds none.
    pub(super) fn node(&mut self, block: Block) -> Result<(), Stopped> {
        self.sender.upload.progress.more(block.data().len() as u64);
        self.take(block)
    }

    /// Sends what is left.
    pub(super) fn finish(mut self) -> Result<(), Stopped> {
        self.flush()
    }

    fn take(&mut self, block: Block) -> Result<(), Stopped> {
        let bytes = block.data().len();
        if !self.batch.cids.insert(*block.cid()) {
            self.sender.upload.progress.done(bytes as u64);
            return Ok(());
        }
        self.batch.bytes += bytes;
        self.batch.blocks.push(block);
        if self.batch.bytes >= BATCH_BYTES || self.batch.blocks.len() == BATCH_BLOCKS_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        let batch = std::mem::take(&mut self.batch);
        if self.sender.outcome().is_err() {
            return Err(Stopped);
        }
        if batch.blocks.is_empty() {
            return Ok(());
        }
        self.full.send(batch).map_err(|_batch| Stopped)
    }
}

/// What was sent so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sent {
    pub(super) blocks: u64,
    pub(super) blocks_known: u64,
    pub(super) bytes_sent: u64,
}

/// Sends batches, on several threads at once.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    upload: &'a Upload<'a>,
    outcome: Mutex<Result<Sent, ClientError>>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(upload: &'a Upload<'a>) -> Self {
        Self { upload, outcome: Mutex::new(Ok(Sent::default())) }
    }

    /// Takes batches until there are no more, or one cannot be sent.
    pub(super) fn work(&self, batches: &Mutex<Receiver<Batch>>) {
        loop {
            let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { return };
            if self.outcome().is_err() {
                // Batches are taken only so that nobody waits to hand them over.
                continue;
            }
            let result = self.send(&batch);
            let mut outcome = self.outcome();
            match (&mut *outcome, result) {
                (Ok(sent), Ok(more)) => sent.add(more),
                (Ok(_), Err(error)) => *outcome = Err(error),
                // Another was first to fail.
                (Err(_), _) => {}
            }
        }
    }

    /// What was sent in all, or why not everything was.
    pub(super) fn finish(self) -> Result<Sent, ClientError> {
        self.outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn outcome(&self) -> MutexGuard<'_, Result<Sent, ClientError>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, batch: &Batch) -> Result<Sent, ClientError> {
        let progress = self.upload.progress;
        let pausing = |error: &ClientError| progress.say(format!("trying again: {error}"));
        let sent = self.upload.retry.run(pausing, || self.try_once(batch))?;
        progress.say(String::new());
        Ok(sent)
    }

    fn try_once(&self, batch: &Batch) -> Result<Sent, ClientError> {
        let Upload { client, core, progress, .. } = *self.upload;
        let cids = batch.blocks.iter().map(|block| block.cid().to_string()).collect();
        let missing: HashSet<String> =
            client.possession(core, &PossessionRequest { cids })?.missing.into_iter().collect();
        let is_missing = |block: &&Block| missing.contains(&block.cid().to_string());
        let (lacking, known): (Vec<&Block>, Vec<&Block>) = batch.blocks.iter().partition(is_missing);
        let mut sent = Sent { blocks: batch.blocks.len() as u64, ..Sent::default() };
        if !lacking.is_empty() {
            let mut body = CarBody::new(&lacking, progress);
            let bytes = Some(body.bytes);
            let sending = Sending { reader: &mut body, bytes, media_type: Some(CAR.to_owned()) };
            let result = client.put_car(core, sending);
            if let Err(error) = result {
                progress.undone(body.done);
                return Err(error);
            }
            sent.bytes_sent = body.done;
        }
        sent.blocks_known = known.len() as u64;
        progress.done(known.iter().map(|block| block.data().len() as u64).sum());
        Ok(sent)
    }
}

impl Sent {
    const fn add(&mut self, more: Self) {
        self.blocks += more.blocks;
        self.blocks_known += more.blocks_known;
        self.bytes_sent += more.bytes_sent;
    }
}

/// A CAR of blocks that are in memory, as it is sent.
struct CarBody {
    /// Pieces still to send, the last first; frames and data of blocks by turns.
    pieces: Vec<(Bytes, bool)>,
    bytes: u64,
    progress: Progress,
    /// Bytes of blocks that were taken.
    done: u64,
}

impl CarBody {
    fn new(blocks: &[&Block], progress: &Progress) -> Self {
        let (mut writer, header) = CarWriter::v1(&[*blocks[0].cid()]);
        let mut pieces = vec![(header, false)];
        for block in blocks {
            let [frame, data] = writer.section(block);
            pieces.extend([(frame, false), (data, true)]);
        }
        pieces.reverse();
        Self { pieces, bytes: writer.payload_bytes(), progress: progress.clone(), done: 0 }
    }
}

impl Read for CarBody {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        while let Some((piece, is_data)) = self.pieces.last_mut()
            && !buffer.is_empty()
        {
            let count = piece.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(count);
            piece.copy_to_slice(now);
            buffer = later;
            if *is_data {
                self.done += count as u64;
                self.progress.done(count as u64);
            }
            if piece.is_empty() {
                self.pieces.pop();
            }
        }
        Ok(room - buffer.len())
    }
}
