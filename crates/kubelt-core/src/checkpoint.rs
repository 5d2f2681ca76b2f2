//! Checkpoints: the state of a core as one block, which a seal of the root names.
//!
//! ```text
//! { v: 1, core, entries: [[path, at, id, value]] }     canonical dag-cbor, sorted by path
//! ```
//!
//! Cleared paths stand in it with null, because they go on deciding against older writes. The state is that of
//! what lies in the seal's past, judged without anything else, so that everybody who has that much of the log
//! can compute it.

use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use crate::{
    ability::Verb,
    codec::{self, DecodeError},
    genesis::VERSION,
    hlc::Hlc,
    id::{BodyId, CoreId, OpId},
    limits::CHECKPOINT_BYTES_MAX,
    map::MapState,
    op::Act,
    path::MapPath,
    replica::Replica,
};

/// The state of a core at one point.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    v: u8,
    core: CoreId,
    entries: Vec<(MapPath, Hlc, OpId, Ipld)>,
}

/// Why a seal's checkpoint is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The operation is not here, or not a seal with a state.
    #[error("`{0}` is not a seal that carries a state")]
    NotOne(OpId),
    /// The seal does not count.
    #[error("seal `{0}` does not count")]
    Void(OpId),
    /// A body in the seal's past is not here, so that its state cannot be computed.
    #[error("the body of `{0}` is not here; fetch it to check the checkpoint")]
    BodyMissing(OpId),
    /// The state is another.
    #[error("the seal names state `{named}`, but its past adds up to `{computed}`")]
    Differs {
        /// In the seal.
        named: BodyId,
        /// Computed here.
        computed: BodyId,
    },
    /// The block does not fit a checkpoint.
    #[error("a state of {0} bytes is over the limit of {CHECKPOINT_BYTES_MAX}")]
    TooLarge(usize),
}

impl Checkpoint {
    /// The checkpoint of a state.
    pub fn of(core: CoreId, state: &MapState) -> Self {
        let entries = state
            .winners()
            .map(|(path, winner)| (path.clone(), winner.at, winner.id, (*winner.value).clone()))
            .collect();
        Self { v: VERSION, core, entries }
    }

    /// Whose state it is.
    pub const fn core(&self) -> CoreId {
        self.core
    }

    /// The id that a seal names.
    pub fn id(&self) -> BodyId {
        BodyId::of(&codec::encode(self))
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`CheckpointError::TooLarge`] when nobody would read them.
    pub fn encode(&self) -> Result<Vec<u8>, CheckpointError> {
        let bytes = codec::encode(self);
        if bytes.len() > CHECKPOINT_BYTES_MAX {
            Err(CheckpointError::TooLarge(bytes.len()))
        } else {
            Ok(bytes)
        }
    }

    /// Reads a checkpoint block.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let checkpoint: Self = codec::decode(bytes, CHECKPOINT_BYTES_MAX, "checkpoint")?;
        let refuse = |reason: &str| Err(DecodeError::Shape { what: "checkpoint", reason: reason.to_owned() });
        if checkpoint.v != VERSION {
            return refuse("unknown version");
        }
        if !checkpoint.entries.is_sorted_by(|a, b| a.0 < b.0) {
            return refuse("paths must be sorted and distinct");
        }
        Ok(checkpoint)
    }

    /// The state to begin with. Operations that it decides by are in it as if they counted; history fetched
    /// later joins them.
    pub fn state(&self) -> MapState {
        let mut state = MapState::new();
        for (path, at, id, value) in &self.entries {
            state.insert(path.clone(), *at, *id, value.clone(), true);
        }
        state
    }

    /// The checkpoint that a seal following the heads of `replica` would carry.
    ///
    /// # Errors
    /// [`CheckpointError::BodyMissing`] when the state is not wholly known here.
    pub fn now(replica: &Replica) -> Result<Self, CheckpointError> {
        Self::at(replica, &replica.log().heads())
    }

    /// Whether a seal names the state that its past adds up to.
    ///
    /// # Errors
    /// [`CheckpointError`] when it does not, or this cannot be told here.
    pub fn verify(replica: &Replica, seal: &OpId) -> Result<Self, CheckpointError> {
        let not_one = || CheckpointError::NotOne(*seal);
        let entry = replica.entry(seal).ok_or_else(not_one)?;
        let Some(Act::Seal { state: Some(named) }) = entry.body().map(|body| &body.act) else {
            return Err(not_one());
        };
        if !replica.log().is_effective(seal) {
            return Err(CheckpointError::Void(*seal));
        }
        let checkpoint = Self::at(replica, &entry.header().prev)?;
        let computed = checkpoint.id();
        if computed == *named {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Differs { named: *named, computed })
        }
    }

    fn at(replica: &Replica, heads: &[OpId]) -> Result<Self, CheckpointError> {
        let log = replica.log();
        let withheld = |id: &OpId| {
            let entry = replica.entry(id);
            entry.is_some_and(|entry| entry.header().verb == Verb::Put && entry.body().is_none())
        };
        if let Some(op) = log.closure(heads).into_iter().find(withheld) {
            return Err(CheckpointError::BodyMissing(op));
        }
        Ok(Self::of(log.core(), &replica.state_at(heads)))
    }
}
