//! The graph of operations: compact nodes in the order they came, each after everything it follows.

use std::collections::{BTreeMap, HashMap};

use crate::{ability::Verb, hlc::Hlc, id::OpId, log::past::Past};

/// A node's place in the graph.
pub(super) type Ix = u32;

/// As an `auth`: the genesis. As a login or an authority number: none.
pub(super) const NONE: u32 = u32::MAX;

/// One operation, without what only its body says.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: OpId,
    pub(super) at: Hlc,
    /// The authority operations in its past, and itself when it is one.
    pub(super) after: Past,
    /// The grant or rotation it acts by; [`NONE`] for the genesis.
    pub(super) auth: Ix,
    /// Index of its account.
    pub(super) by: u32,
    /// Index of its login; [`NONE`] where the account signed.
    pub(super) login: u32,
    /// Its number among the authority operations; [`NONE`] for a `put`.
    pub(super) seq: u32,
    prev_start: u32,
    prev_len: u8,
    pub(super) verb: Verb,
    pub(super) effective: bool,
}

/// What [`Graph::push`] makes a node of.
pub(super) struct NewNode {
    pub(super) id: OpId,
    pub(super) at: Hlc,
    pub(super) prev: Vec<Ix>,
    pub(super) past: Past,
    pub(super) auth: Ix,
    pub(super) by: u32,
    pub(super) login: u32,
    pub(super) seq: u32,
    pub(super) verb: Verb,
}

#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    prevs: Vec<Ix>,
    index: HashMap<OpId, Ix>,
    heads: BTreeMap<(Hlc, OpId), Ix>,
}

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn node(&self, ix: Ix) -> &Node {
        &self.nodes[ix as usize]
    }

    pub(super) fn node_mut(&mut self, ix: Ix) -> &mut Node {
        &mut self.nodes[ix as usize]
    }

    pub(super) fn find(&self, id: &OpId) -> Option<Ix> {
        self.index.get(id).copied()
    }

    pub(super) fn prev(&self, ix: Ix) -> &[Ix] {
        let node = self.node(ix);
        let start = node.prev_start as usize;
        &self.prevs[start..start + usize::from(node.prev_len)]
    }

    /// The heads, by (`at`, id).
    pub(super) fn heads(&self) -> impl DoubleEndedIterator<Item = Ix> + ExactSizeIterator {
        self.heads.values().copied()
    }

    /// Whether everything known lies in the past of an operation that follows `prev`.
    pub(super) fn covered_by(&self, prev: &[Ix]) -> bool {
        let named = |ix: &Ix| {
            let node = self.node(*ix);
            self.heads.contains_key(&(node.at, node.id))
        };
        prev.iter().filter(|ix| named(ix)).count() == self.heads.len()
    }

    /// The authority operations in the past of an operation that follows `prev`.
    pub(super) fn past_of(&self, prev: &[Ix]) -> Past {
        let mut nodes = prev.iter().map(|ix| &self.node(*ix).after);
        let first = nodes.next().cloned().unwrap_or_default();
        nodes.fold(first, |past, after| past.union(after))
    }

    /// Whether authority operation `ix` lies in the past of `of`.
    pub(super) fn authority_in_past(&self, ix: Ix, of: Ix) -> bool {
        ix != of && self.node(of).after.contains(self.node(ix).seq)
    }

    /// Adds an operation that follows known ones; it counts for nothing until it is judged.
    pub(super) fn push(&mut self, new: NewNode) -> Ix {
        let ix = index(self.nodes.len());
        for prev in &new.prev {
            let node = &self.nodes[*prev as usize];
            self.heads.remove(&(node.at, node.id));
        }
        let mut after = new.past;
        if new.seq != NONE {
            after.insert(new.seq);
        }
        self.nodes.push(Node {
            id: new.id,
            at: new.at,
            after,
            auth: new.auth,
            by: new.by,
            login: new.login,
            seq: new.seq,
            prev_start: index(self.prevs.len()),
            prev_len: u8::try_from(new.prev.len()).expect("the rules allow 16 `prev`"),
            verb: new.verb,
            effective: false,
        });
        self.prevs.extend(new.prev);
        self.index.insert(new.id, ix);
        self.heads.insert((new.at, new.id), ix);
        ix
    }

    /// Marks everything that `from` follows, and `from` itself.
    pub(super) fn closure(&self, from: impl IntoIterator<Item = Ix>) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: Vec<Ix> = from.into_iter().collect();
        while let Some(ix) = open.pop() {
            if !std::mem::replace(&mut seen[ix as usize], true) {
                open.extend_from_slice(self.prev(ix));
            }
        }
        seen
    }
}

/// A length as an index.
pub(super) fn index(len: usize) -> u32 {
    u32::try_from(len).ok().filter(|ix| *ix != NONE).expect("a core has fewer than 2^32 - 1 operations")
}
