//! The newest blocks of a chain that were told of, and what a block that comes means to them.

use std::{collections::VecDeque, sync::Arc};

use serde_json::Value;

use crate::limits::{FOLLOWED_BLOCKS_MAX, FOLLOWED_LOG_BYTES_MAX};

/// The head of a block.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) hash: String,
    pub(super) parent: String,
    /// As subscribers are told of it: without what stands in the block.
    pub(super) json: Arc<Value>,
}

/// A block that was told of, with the events of it that were.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) head: Head,
    /// The how-manieth it was.
    pub(super) order: u64,
    pub(super) logs: Vec<Value>,
}

/// What has to be done with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it was told of.
    Known,
    /// It follows one that was told of; or nothing was told of so far.
    Joins,
    /// Its parent has to be looked at first.
    Parent,
    /// It does not follow any block that is remembered.
    Lost,
}

/// The blocks, each the parent of the next.
#[derive(Debug, Default)]
pub(super) struct Window {
    told: VecDeque<Told>,
    next_order: u64,
    log_bytes: usize,
}

impl Head {
    /// Reads a block as JSON-RPC gives it.
    pub(super) fn read(block: &Value) -> Option<Self> {
        let number = u64::from_str_radix(block["number"].as_str()?.strip_prefix("0x")?, 16).ok()?;
        let (hash, parent) = (hash(&block["hash"])?, hash(&block["parentHash"])?);
        let mut json = block.clone();
        let members = json.as_object_mut()?;
        for inside in ["transactions", "uncles", "withdrawals", "size", "totalDifficulty"] {
            members.remove(inside);
        }
        Some(Self { number, hash, parent, json: Arc::new(json) })
    }
}

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The order that the next block will have.
    pub(super) const fn next_order(&self) -> u64 {
        self.next_order
    }

    pub(super) fn next(&self, head: &Head) -> Next {
        let Some(first) = self.told.front() else { return Next::Joins };
        let is_told = |hash: &str| self.told.iter().any(|told| told.head.hash == hash);
        match () {
            () if is_told(&head.hash) => Next::Known,
            () if is_told(&head.parent) => Next::Joins,
            () if head.number <= first.head.number => Next::Lost,
            () => Next::Parent,
        }
    }

    /// Takes away what does not follow from a block any more; the newest first.
    pub(super) fn cut_to(&mut self, parent: &str) -> Vec<Told> {
        let mut gone = Vec::new();
        while let Some(last) = self.told.pop_back_if(|last| last.head.hash != parent) {
            self.log_bytes -= last.log_bytes();
            gone.push(last);
        }
        gone
    }

    pub(super) fn push(&mut self, head: Head, logs: Vec<Value>) {
        let told = Told { head, order: self.next_order, logs };
        self.next_order += 1;
        self.log_bytes += told.log_bytes();
        self.told.push_back(told);
        while self.told.len() > FOLLOWED_BLOCKS_MAX
            || (self.log_bytes > FOLLOWED_LOG_BYTES_MAX && self.told.len() > 1)
        {
            let Some(first) = self.told.pop_front() else { return };
            self.log_bytes -= first.log_bytes();
        }
    }
}

impl Told {
    /// About what its events take in memory.
    fn log_bytes(&self) -> usize {
        const AROUND: usize = 2_048;
        self.logs.iter().map(|log| AROUND + log["data"].as_str().map_or(0, str::len)).sum()
    }
}

/// A hash, in one spelling.
pub(super) fn hash(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_hash = text.len() == 66 && text.starts_with("0x") && hex::decode(&text[2..]).is_ok();
    is_hash.then(|| text.to_ascii_lowercase())
}
