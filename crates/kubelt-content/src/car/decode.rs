//! A CAR from bytes as they come.

use bytes::Bytes;
use cid::Cid;
use thiserror::Error;

use super::header::{self, HeaderError, V2, V2_HEADER_BYTES, V2_PAYLOAD_OFFSET, V2_PRAGMA};
use super::rope::Rope;
use crate::block::{Block, VerifyError};
use crate::cid_text::take_cid;
use crate::limits::{CAR_HEADER_BYTES_MAX, CAR_SECTION_BYTES_MAX};
use crate::varint::{self, VarintError};

/// What one CAR may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarLimits {
    /// Most blocks, repeated ones included.
    pub blocks_max: u64,
    /// Most bytes of all sections together.
    pub payload_bytes_max: u64,
}

/// What a CAR gives, in its order.
#[derive(Debug, PartialEq, Eq)]
pub enum CarEvent {
    /// The header, first and once.
    Header {
        /// 1 or 2.
        version: u8,
        /// The roots that the CAR says it has.
        roots: Vec<Cid>,
    },
    /// A block that matches its CID.
    Block(Block),
}

/// What a whole CAR held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarSummary {
    /// Blocks, repeated ones included.
    pub blocks: u64,
    /// Bytes of the CARv1 or of the payload of the CARv2.
    pub payload_bytes: u64,
}

/// Why a CAR was refused.
#[derive(Debug, Error)]
pub enum CarError {
    /// A bad length.
    #[error("a length at byte `{at}` of the payload is malformed")]
    Length {
        /// Where in the payload.
        at: u64,
        /// What is wrong with it.
        #[source]
        source: VarintError,
    },
    /// A header longer than [`CAR_HEADER_BYTES_MAX`], or of no bytes.
    #[error("a header of `{0}` bytes is not taken")]
    HeaderLength(u64),
    /// A bad header.
    #[error("the header is malformed")]
    Header(#[from] HeaderError),
    /// A section longer than [`CAR_SECTION_BYTES_MAX`], or of no bytes.
    #[error("a section of `{length}` bytes at byte `{at}` of the payload is not taken")]
    SectionLength {
        /// Where in the payload.
        at: u64,
        /// How long it says it is.
        length: u64,
    },
    /// A section that does not begin with a CID.
    #[error("the section at byte `{0}` of the payload has no valid CID")]
    Cid(u64),
    /// A block that is not what its CID names.
    #[error("block `{cid}` is not taken")]
    Block {
        /// Its CID.
        cid: Box<Cid>,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// More blocks or bytes than [`CarLimits`].
    #[error("the CAR holds more than the `{0}` allowed")]
    TooMuch(&'static str),
    /// The bytes end too early.
    #[error("the CAR is cut short after `{0}` bytes of the payload")]
    Truncated(u64),
    /// Asked for more after an error.
    #[error("the CAR was refused before")]
    Refused,
}

/// Takes pieces of any size, gives a header and checked blocks.
///
/// ```text
/// decoder.push(piece); while let Some(event) = decoder.next_event()? { … } … decoder.finish()?
/// ```
/// Holds at most what was pushed and not yet taken. The index of a CARv2 is skipped, not trusted.
#[derive(Debug)]
pub struct CarDecoder {
    limits: CarLimits,
    rope: Rope,
    state: State,
    version: u8,
    /// Bytes of the payload that were taken, and how many there are where that is known.
    at: u64,
    end: Option<u64>,
    blocks: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    V2Header,
    Padding(u64),
    Header,
    Sections,
    Trailer,
    Failed,
}

impl CarDecoder {
    /// A decoder that has seen nothing.
    pub fn new(limits: CarLimits) -> Self {
        let state = State::Start;
        Self { limits, rope: Rope::default(), state, version: 1, at: 0, end: None, blocks: 0 }
    }

    /// Gives more bytes.
    pub fn push(&mut self, piece: impl Into<Bytes>) {
        if self.state != State::Trailer && self.state != State::Failed {
            self.rope.push(piece.into());
        }
    }

    /// The next event; `None` until more bytes are pushed.
    pub fn next_event(&mut self) -> Result<Option<CarEvent>, CarError> {
        let result = self.step();
        if result.is_err() {
            self.state = State::Failed;
            self.rope = Rope::default();
        }
        result
    }

    /// Says that there are no more bytes. All events must have been taken.
    pub fn finish(self) -> Result<CarSummary, CarError> {
        let is_whole = match self.state {
            State::Sections => self.end.is_none() && self.rope.len() == 0,
            State::Trailer => true,
            State::Failed => return Err(CarError::Refused),
            State::Start | State::V2Header | State::Padding(_) | State::Header => false,
        };
        let summary = CarSummary { blocks: self.blocks, payload_bytes: self.at };
        if is_whole { Ok(summary) } else { Err(CarError::Truncated(self.at)) }
    }

    fn step(&mut self) -> Result<Option<CarEvent>, CarError> {
        loop {
            let goes_on = match self.state {
                State::Start => self.start(),
                State::V2Header => self.v2_header()?,
                State::Padding(left) => {
                    let left = left - self.rope.skip(left);
                    self.state = if left == 0 { State::Header } else { State::Padding(left) };
                    left == 0
                }
                State::Header => return self.header(),
                State::Sections => match self.section()? {
                    Some(block) => return Ok(Some(CarEvent::Block(block))),
                    None => self.state == State::Trailer,
                },
                State::Trailer => {
                    self.rope = Rope::default();
                    false
                }
                State::Failed => return Err(CarError::Refused),
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// Tells the versions apart by the pragma.
    fn start(&mut self) -> bool {
        let mut first = [0; V2_PRAGMA.len()];
        let count = self.rope.peek(&mut first);
        if first[..count] != V2_PRAGMA[..count] {
            self.state = State::Header;
        } else if count == V2_PRAGMA.len() {
            self.rope.skip(V2_PRAGMA.len() as u64);
            self.version = 2;
            self.state = State::V2Header;
        } else {
            return false;
        }
        true
    }

    fn v2_header(&mut self) -> Result<bool, CarError> {
        let Some(bytes) = self.rope.take(V2_HEADER_BYTES) else { return Ok(false) };
        let bytes: &[u8; V2_HEADER_BYTES] = bytes[..].try_into().expect("as many bytes were taken");
        let header = V2::decode(bytes)?;
        self.end = Some(header.data_size);
        self.state = State::Padding(header.data_offset - V2_PAYLOAD_OFFSET);
        Ok(true)
    }

    fn header(&mut self) -> Result<Option<CarEvent>, CarError> {
        let Some((prefix, length)) = self.length()? else { return Ok(None) };
        if length == 0 || length > CAR_HEADER_BYTES_MAX as u64 {
            return Err(CarError::HeaderLength(length));
        }
        let Some(bytes) = self.frame(prefix, length)? else { return Ok(None) };
        let roots = header::decode_v1(&bytes)?;
        self.state = State::Sections;
        Ok(Some(CarEvent::Header { version: self.version, roots }))
    }

    fn section(&mut self) -> Result<Option<Block>, CarError> {
        if self.end == Some(self.at) {
            self.state = State::Trailer;
            return Ok(None);
        }
        let at = self.at;
        let Some((prefix, length)) = self.length()? else { return Ok(None) };
        if length == 0 || length > CAR_SECTION_BYTES_MAX as u64 {
            return Err(CarError::SectionLength { at, length });
        }
        if self.blocks == self.limits.blocks_max {
            return Err(CarError::TooMuch("blocks"));
        }
        let Some(mut section) = self.frame(prefix, length)? else { return Ok(None) };
        let (cid, data) = take_cid(&section).map_err(|_error| CarError::Cid(at))?;
        let data = section.split_off(section.len() - data.len());
        let block = Block::checked(cid, data);
        let block = block.map_err(|source| CarError::Block { cid: Box::new(cid), source })?;
        self.blocks += 1;
        Ok(Some(block))
    }

    /// The length of the next frame and the bytes that it takes itself; nothing is taken.
    fn length(&self) -> Result<Option<(usize, u64)>, CarError> {
        let mut first = [0; 10];
        let count = self.rope.peek(&mut first);
        let mut rest = &first[..count];
        match varint::take(&mut rest) {
            Ok(length) => Ok(Some((count - rest.len(), length))),
            Err(VarintError::Truncated) if count < first.len() => Ok(None),
            Err(source) => Err(CarError::Length { at: self.at, source }),
        }
    }

    /// The body of the next frame once it is all there.
    fn frame(&mut self, prefix: usize, length: u64) -> Result<Option<Bytes>, CarError> {
        let whole = prefix as u64 + length;
        let after = self.at + whole;
        if self.end.is_some_and(|end| after > end) {
            return Err(CarError::Truncated(self.at));
        }
        if after > self.limits.payload_bytes_max {
            return Err(CarError::TooMuch("bytes"));
        }
        let length = usize::try_from(length).map_err(|_error| CarError::TooMuch("bytes"))?;
        if self.rope.len() < prefix + length {
            return Ok(None);
        }
        self.rope.skip(prefix as u64);
        self.at = after;
        Ok(self.rope.take(length))
    }
}
