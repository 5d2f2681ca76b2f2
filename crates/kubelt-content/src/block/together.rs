//! Many blocks checked at once: a processor hashes four messages in about half the time of one after another.

use bytes::Bytes;
use cid::Cid;

use super::{Block, HASH_SHA2_256, VerifyError};
use crate::limits::BLOCK_BYTES_MAX;

/// So many blocks at least are worth checking together.
pub const CHECKED_TOGETHER_MIN: usize = 4;

/// Blocks that came from elsewhere: all are checked against their CIDs as [`Block::checked`] does, in less time.
///
/// What does not come out right is checked once more by itself. So nobody is blamed because of how this hashes, and the
/// reason is the one that [`Block::checked`] gives.
pub fn check_all(blocks: Vec<(Cid, Bytes)>) -> Vec<Result<Block, (Cid, VerifyError)>> {
    let right = hashed_together(&blocks);
    let checked = blocks.into_iter().zip(right).map(|((cid, data), right)| match right {
        true => Ok(Block::trusted(cid, data)),
        false => Block::checked(cid, data).map_err(|why| (cid, why)),
    });
    checked.collect()
}

/// Of which blocks the hash is the one of their CIDs; of none that is better hashed by itself.
fn hashed_together(blocks: &[(Cid, Bytes)]) -> Vec<bool> {
    let mut right = vec![false; blocks.len()];
    // Together they take as long as the longest.
    let longest = blocks.iter().map(|(_, data)| data.len()).max().unwrap_or(0);
    let suits = |(cid, data): &(Cid, Bytes)| {
        let (code, digest) = (cid.hash().code(), cid.hash().digest());
        code == HASH_SHA2_256
            && digest.len() == 32
            && data.len() <= BLOCK_BYTES_MAX
            && data.len() >= longest / 2
    };
    let suiting: Vec<usize> = (0..blocks.len()).filter(|at| suits(&blocks[*at])).collect();
    if suiting.len() < CHECKED_TOGETHER_MIN {
        return right;
    }
    let messages: Vec<&[u8]> = suiting.iter().map(|at| blocks[*at].1.as_ref()).collect();
    let mut digests = vec![[0; 32]; messages.len()];
    tape_sha256::hash_many(&messages, &mut digests);
    for (at, digest) in suiting.into_iter().zip(digests) {
        right[at] = blocks[at].0.hash().digest() == digest;
    }
    right
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cid::Cid;
    use multihash_codetable::{Code, MultihashDigest};
    use proptest::prelude::*;

    use super::{Block, VerifyError, check_all, hashed_together};
    use crate::{Codec, limits::BLOCK_BYTES_MAX};

    /// Bytes that differ from place to place.
    fn bytes(len: usize, seed: usize) -> Bytes {
        (0..len).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ seed).to_le_bytes()[0]).collect()
    }

    fn named(data: Bytes) -> (Cid, Bytes) {
        Block::new(Codec::Raw, data).expect("small").into_parts()
    }

    #[test]
    fn every_length_around_the_edges_of_a_hash_comes_out_right() {
        for many in [4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33] {
            for len in (0..200).chain([1_000, 4_095, 4_096, 65_537]) {
                // They differ a little, but none is twice as long as another.
                let more = if len < 4 { 1 } else { 3 };
                let blocks: Vec<_> = (0..many).map(|seed| named(bytes(len + seed % more, seed))).collect();
                let right = hashed_together(&blocks);
                assert!(right.iter().all(|right| *right), "{many} of {len}: {right:?}");
            }
        }
    }

    #[test]
    fn a_wrong_block_is_found_among_right_ones() {
        for wrong in 0..9_usize {
            for flipped in [0, 63, 64, 5_000, 9_999] {
                let mut blocks: Vec<_> = (0..9).map(|seed| named(bytes(10_000, seed))).collect();
                let mut data = blocks[wrong].1.to_vec();
                data[flipped] ^= 1;
                blocks[wrong].1 = data.into();
                for (at, result) in check_all(blocks.clone()).into_iter().enumerate() {
                    match at == wrong {
                        true => assert_eq!(result, Err((blocks[at].0, VerifyError::Mismatch))),
                        false => assert_eq!(result.as_ref().map(Block::cid), Ok(&blocks[at].0)),
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_that_are_not_hashed_together_are_checked_like_the_others() {
        let blake3 = (Cid::new_v1(0x55, Code::Blake3_256.digest(b"x")), Bytes::from_static(b"x"));
        let large = Bytes::from(vec![0; BLOCK_BYTES_MAX + 1]);
        let large = (Cid::new_v1(0x55, Code::Sha2_256.digest(&large)), large);
        let mut blocks: Vec<_> = (0..5).map(|seed| named(bytes(100, seed))).collect();
        blocks.extend([blake3, large.clone(), named(bytes(1, 0)), named(Bytes::new())]);
        let results = check_all(blocks);
        let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert!(matches!(refused[..], [(cid, VerifyError::TooLarge(_))] if *cid == large.0), "{refused:?}");
        assert_eq!(check_all(Vec::new()), Vec::new());
    }

    proptest! {
        #[test]
        fn together_means_the_same_as_alone(
            blocks in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..700), any::<bool>()), 0..40),
        ) {
            let blocks: Vec<_> = blocks
                .into_iter()
                .map(|(data, is_right)| {
                    let data = Bytes::from(data);
                    let of = if is_right { data.clone() } else { Bytes::from([&data[..], b"!"].concat()) };
                    (named(of).0, data)
                })
                .collect();
            let alone = blocks.iter().cloned().map(|(cid, data)| Block::checked(cid, data).map_err(|why| (cid, why)));
            prop_assert_eq!(check_all(blocks.clone()), alone.collect::<Vec<_>>());
        }
    }
}
