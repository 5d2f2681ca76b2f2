//! A check of an exported core that needs no node and trusts nobody.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read},
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{Codec, Ipld, links};
use kubelt_core::{
    Act, CoreId, Genesis, MapPath, OpId,
    log::{Entry, Log, Refusal},
    map::MapState,
    schema::{self, ContentEntry},
};

use super::read::{CoreFile, CoreFileError};

/// What was found in a sound file.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// The core.
    pub core: CoreId,
    /// How it began.
    pub genesis: Genesis,
    /// Operations.
    pub ops: u64,
    /// Of them, those that count.
    pub ops_effective: u64,
    /// Operations whose body is withheld.
    pub withheld: u64,
    /// Operations that cannot be judged because earlier ones are withheld; their signatures are good.
    pub detached: u64,
    /// Heads.
    pub heads: Vec<OpId>,
    /// Whether the file says that parts are withheld.
    pub partial: bool,
    /// Paths of the state.
    pub paths: u64,
    /// Blocks of content.
    pub blocks: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Paths of content that counts now and is not whole in the file.
    pub incomplete: Vec<MapPath>,
}

/// Why a file does not pass.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It could not be read.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// It is no sound core.
    #[error(transparent)]
    File(#[from] CoreFileError),
    /// An operation breaks a rule.
    #[error("operation `{id}` breaks a rule of the log")]
    Refused {
        /// The operation.
        id: Box<OpId>,
        /// Which.
        #[source]
        source: Refusal,
    },
    /// A value does not fit its path.
    #[error("the value that operation `{id}` writes does not fit its path")]
    Schema {
        /// The operation.
        id: Box<OpId>,
        /// Why.
        #[source]
        source: schema::SchemaError,
    },
    /// The heads are not those that the manifest names.
    #[error("the manifest names other heads than the operations have; something was left out")]
    Heads,
}

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// Checks an exported core: every hash, every signature and sign-in, every rule of the log at `now_ms`
/// (milliseconds since the Unix epoch), and which content is whole. Memory: the log, and the CIDs of the content.
///
/// # Errors
/// [`VerifyError`] names the first fault.
pub fn verify(mut from: impl Read, now_ms: u64) -> Result<VerifyReport, VerifyError> {
    let mut file = CoreFile::new();
    let mut content: HashMap<Cid, Vec<Cid>> = HashMap::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        for block in file.push(Bytes::copy_from_slice(&buffer[..count]))? {
            let below = Codec::of(block.cid()).ok().and_then(|codec| links(codec, block.data()).ok());
            content.insert(*block.cid(), below.unwrap_or_default());
        }
    }
    let (log_file, summary) = file.finish()?;
    let mut log = Log::new(log_file.genesis.clone());
    let mut state = MapState::default();
    let mut report = VerifyReport {
        core: log_file.manifest.core,
        genesis: log_file.genesis,
        ops: log_file.ops.len() as u64,
        ops_effective: 0,
        withheld: 0,
        detached: 0,
        heads: Vec::new(),
        partial: log_file.manifest.partial,
        paths: 0,
        blocks: content.len() as u64,
        bytes: summary.payload_bytes,
        incomplete: Vec::new(),
    };
    for op in log_file.ops {
        let entry = op.into_entry().map_err(CoreFileError::from)?;
        report.withheld += u64::from(entry.body().is_none());
        if let Some(Act::Put { path, value }) = entry.body().map(|body| &body.act) {
            schema::check(path, value)
                .map_err(|source| VerifyError::Schema { id: Box::new(entry.id()), source })?;
        }
        insert(&mut log, &mut state, &entry, now_ms, &mut report)?;
    }
    report.heads = log.heads();
    report.ops_effective = log.ops().filter(|(_, _, _, effective)| *effective).count() as u64;
    let complete_log = report.detached == 0 && !report.partial;
    if complete_log && sorted(&report.heads) != sorted(&log_file.manifest.heads) {
        return Err(VerifyError::Heads);
    }
    for (path, winner) in state.winners().filter(|(_, winner)| *winner.value != Ipld::Null) {
        report.paths += 1;
        if let Ok(entry) = ContentEntry::from_ipld(&winner.value)
            && path.prefix() == crate::content::PREFIX
            && !is_whole(&entry.cid, &content)
        {
            report.incomplete.push(path.clone());
        }
    }
    Ok(report)
}

fn insert(
    log: &mut Log,
    state: &mut MapState,
    entry: &Entry,
    now_ms: u64,
    report: &mut VerifyReport,
) -> Result<(), VerifyError> {
    match log.insert(entry, now_ms) {
        Ok(inserted) => {
            state.enter(entry, inserted.effective);
            state.apply(&inserted.changes);
            Ok(())
        }
        // What comes before was withheld from a public export.
        Err(Refusal::UnknownPrev(_)) if report.partial => {
            report.detached += 1;
            Ok(())
        }
        Err(source) => Err(VerifyError::Refused { id: Box::new(entry.id()), source }),
    }
}

fn sorted(ids: &[OpId]) -> Vec<OpId> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

/// Whether everything that `root` reaches is in the file.
fn is_whole(root: &Cid, content: &HashMap<Cid, Vec<Cid>>) -> bool {
    let mut seen = HashSet::from([*root]);
    let mut next = vec![*root];
    while let Some(cid) = next.pop() {
        if kubelt_content::inline_content(&cid).is_some() {
            continue;
        }
        let Some(below) = content.get(&cid) else { return false };
        next.extend(below.iter().filter(|cid| seen.insert(**cid)));
    }
    true
}
