//! What the operations of a log add up to: the value at each path.
//!
//! For each path the effective `put` with the greatest (`at`, id) decides; one of null clears the path but goes on
//! deciding against older ones.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use ipld_core::ipld::Ipld;

use crate::{
    hlc::Hlc,
    id::OpId,
    log::{Entry, Log},
    path::MapPath,
};

/// The `put` that decides a path.
#[derive(Clone, PartialEq, Debug)]
pub struct Winner {
    /// When.
    pub at: Hlc,
    /// Which operation.
    pub id: OpId,
    /// What it set; null where it cleared the path.
    pub value: Arc<Ipld>,
}

/// Every `put` of a core by path, in memory.
#[derive(Clone, Default, Debug)]
pub struct MapState {
    paths: BTreeMap<MapPath, BTreeMap<(Hlc, OpId), Put>>,
    places: HashMap<OpId, (MapPath, Hlc)>,
}

#[derive(Clone, Debug)]
struct Put {
    value: Arc<Ipld>,
    effective: bool,
}

impl MapState {
    /// The state of no operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what an entry sets, when it sets something; `effective` says whether it counts.
    pub fn enter(&mut self, entry: &Entry, effective: bool) {
        if let Some((path, value)) = Log::put_of(entry) {
            self.insert(path.clone(), entry.header().at, entry.id(), value.clone(), effective);
        }
    }

    /// Takes a `put` in.
    pub fn insert(&mut self, path: MapPath, at: Hlc, id: OpId, value: impl Into<Arc<Ipld>>, effective: bool) {
        let put = Put { value: value.into(), effective };
        self.paths.entry(path.clone()).or_default().insert((at, id), put);
        self.places.insert(id, (path, at));
    }

    /// Applies what the log says has changed; operations without a known `put` are passed over.
    pub fn apply(&mut self, changes: &[(OpId, bool)]) {
        for (id, effective) in changes {
            let Some((path, at)) = self.places.get(id) else { continue };
            let put = self.paths.get_mut(path).and_then(|puts| puts.get_mut(&(*at, *id)));
            if let Some(put) = put {
                put.effective = *effective;
            }
        }
    }

    /// The value at a path; `None` where nothing was set or it was cleared.
    pub fn get(&self, path: &MapPath) -> Option<Arc<Ipld>> {
        self.winner(path).map(|winner| winner.value).filter(|value| **value != Ipld::Null)
    }

    /// What decides a path, clearing included.
    pub fn winner(&self, path: &MapPath) -> Option<Winner> {
        winner(self.paths.get(path)?)
    }

    /// What decides each path, clearing included, in the order of paths.
    pub fn winners(&self) -> impl Iterator<Item = (&MapPath, Winner)> {
        self.paths.iter().filter_map(|(path, puts)| Some((path, winner(puts)?)))
    }

    /// The paths below `prefix` that have a value, and `prefix` itself when it has one, with their values.
    pub fn below<'a>(&'a self, prefix: &'a MapPath) -> impl Iterator<Item = (&'a MapPath, Winner)> {
        let start = (Bound::Included(prefix), Bound::Unbounded);
        let range = self.paths.range::<MapPath, _>(start);
        range
            .take_while(move |(path, _)| path.as_str().starts_with(prefix.as_str()))
            .filter(move |(path, _)| *path == prefix || path.below(prefix.as_str()).is_some())
            .filter_map(|(path, puts)| Some((path, winner(puts)?)))
            .filter(|(_, winner)| *winner.value != Ipld::Null)
    }

    /// Every `put` at a path, latest first, with its value and whether it counts.
    pub fn history(&self, path: &MapPath) -> impl Iterator<Item = (Winner, bool)> {
        let puts = self.paths.get(path).into_iter().flatten().rev();
        puts.map(|((at, id), put)| {
            (Winner { at: *at, id: *id, value: Arc::clone(&put.value) }, put.effective)
        })
    }
}

/// Equal when the same operations decide the same paths with the same values.
impl PartialEq for MapState {
    fn eq(&self, other: &Self) -> bool {
        self.winners().eq(other.winners())
    }
}

fn winner(puts: &BTreeMap<(Hlc, OpId), Put>) -> Option<Winner> {
    let ((at, id), put) = puts.iter().rev().find(|(_, put)| put.effective)?;
    Some(Winner { at: *at, id: *id, value: Arc::clone(&put.value) })
}
