//! What a reader is likely to ask for next.
//!
//! Readers of files, listings and archives go through the links of a block one after the other. Whoever follows a path
//! goes down instead, and would not thank for the neighbours. So nothing is read ahead at first; each time that a link is
//! asked for behind the one before, twice as much is, as far as the window goes.

use std::collections::VecDeque;

use kubelt_content::Cid;

use crate::limits::{READ_AHEAD_BLOCKS_MAX, READ_AHEAD_BYTES, READ_AHEAD_LINKS_MAX, READ_AHEAD_NODES_MAX};

/// The links of the blocks that were read last, and how steadily they are followed.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The latest first.
    nodes: VecDeque<Node>,
    links: usize,
    window: usize,
    /// Bytes of the last block.
    block_bytes: usize,
}

#[derive(Debug)]
struct Node {
    cid: Cid,
    links: Vec<Cid>,
    /// The place behind the link that was asked for last.
    at: usize,
}

impl Ahead {
    /// A block of so many bytes came, and has these links.
    pub(super) fn came(&mut self, cid: &Cid, bytes: usize, links: Vec<Cid>) {
        self.block_bytes = bytes;
        if links.len() < 2
            || links.len() > READ_AHEAD_LINKS_MAX
            || self.nodes.iter().any(|node| node.cid == *cid)
        {
            return;
        }
        self.links += links.len();
        self.nodes.push_front(Node { cid: *cid, links, at: 0 });
        while self.nodes.len() > READ_AHEAD_NODES_MAX || self.links > READ_AHEAD_LINKS_MAX {
            let Some(oldest) = self.nodes.pop_back() else { return };
            self.links -= oldest.links.len();
        }
    }

    /// A block is asked for: which ones to ask for besides.
    pub(super) fn asked(&mut self, cid: &Cid) -> Vec<Cid> {
        for node in &mut self.nodes {
            let Some(behind) = node.links[node.at..].iter().position(|link| link == cid) else { continue };
            let at = node.at + behind;
            self.window = match (node.at, behind) {
                // Down to the first link of what was gone on to.
                (0, 0) => self.window,
                (1.., 0) => (self.window * 2).max(1),
                _ => 0,
            };
            let fits = (READ_AHEAD_BYTES / self.block_bytes.max(1)).clamp(1, READ_AHEAD_BLOCKS_MAX);
            self.window = self.window.min(fits);
            node.at = at + 1;
            let end = node.links.len().min(node.at + self.window);
            return node.links[node.at..end].to_vec();
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kubelt_content::{Block, Cid, Codec};

    use super::Ahead;
    use crate::limits::{
        READ_AHEAD_BLOCKS_MAX, READ_AHEAD_BYTES, READ_AHEAD_LINKS_MAX, READ_AHEAD_NODES_MAX,
    };

    fn cid(n: usize) -> Cid {
        *Block::new(Codec::Raw, Bytes::copy_from_slice(&n.to_be_bytes())).expect("small").cid()
    }

    fn node(ahead: &mut Ahead, n: usize, bytes: usize, links: std::ops::Range<usize>) {
        ahead.came(&cid(n), bytes, links.map(cid).collect());
    }

    #[test]
    fn whoever_goes_on_is_read_ahead_for() {
        let mut ahead = Ahead::default();
        node(&mut ahead, 1_000_000, 100, 0..100);
        let lengths: Vec<usize> = [0, 1, 2, 3, 4].map(|n| ahead.asked(&cid(n)).len()).to_vec();
        assert_eq!(lengths, [0, 1, 2, 4, 8]);
        assert!((5..50).all(|n| ahead.asked(&cid(n)).len() <= READ_AHEAD_BLOCKS_MAX));
        // A node below is gone on through from its first link.
        node(&mut ahead, 1_000_001, 100, 200..300);
        assert_eq!(ahead.asked(&cid(200)).len(), READ_AHEAD_BLOCKS_MAX);
        assert_eq!(ahead.asked(&cid(98)), Vec::new(), "far from the one before");
        assert_eq!(ahead.asked(&cid(99)), Vec::new(), "there are no more");
    }

    #[test]
    fn whoever_goes_down_is_left_alone() {
        let mut ahead = Ahead::default();
        for n in 0..10 {
            node(&mut ahead, 1_000_000 + n, 100, n * 100..n * 100 + 100);
            assert_eq!(ahead.asked(&cid(n * 100 + 7)), Vec::new());
        }
        assert_eq!(ahead.asked(&cid(77_777)), Vec::new(), "a link of nothing that is known");
    }

    #[test]
    fn large_blocks_make_the_window_small_and_memory_is_bounded() {
        let mut ahead = Ahead::default();
        node(&mut ahead, 1_000_000, READ_AHEAD_BYTES / 2, 0..100);
        let most = (0..50).map(|n| ahead.asked(&cid(n)).len()).max();
        assert_eq!(most, Some(2));
        node(&mut ahead, 1_000_001, 1, 0..READ_AHEAD_LINKS_MAX + 1);
        assert_eq!(ahead.nodes.len(), 1, "too many links");
        for n in 0..2 * READ_AHEAD_NODES_MAX {
            node(&mut ahead, 2_000_000 + n, 1, 0..10);
        }
        assert_eq!(ahead.nodes.len(), READ_AHEAD_NODES_MAX);
        assert_eq!(ahead.links, 10 * READ_AHEAD_NODES_MAX);
    }
}
