use bytes::Bytes;
use cid::Cid;
use cid::multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};

use super::{Block, BlockTooLarge, VerifyError, inline_content, verify};
use crate::codec::Codec;
use crate::limits::BLOCK_BYTES_MAX;

#[test]
fn a_block_is_named_by_its_hash() {
    let block = Block::new(Codec::Raw, Bytes::from_static(b"hello world")).expect("small");
    // IPIP-499, fixture "small file".
    assert_eq!(block.cid().to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    assert_eq!(verify(block.cid(), b"hello world"), Ok(()));
    assert_eq!(verify(block.cid(), b"hello worle"), Err(VerifyError::Mismatch));
}

#[test]
fn foreign_hashes_are_checked() {
    for code in [Code::Sha2_256, Code::Sha2_512, Code::Blake3_256] {
        let cid = Cid::new_v1(0x55, code.digest(b"x"));
        assert_eq!(verify(&cid, b"x"), Ok(()));
        assert_eq!(verify(&cid, b"y"), Err(VerifyError::Mismatch));
    }
    let identity = Cid::new_v1(0x55, Multihash::wrap(0, b"inline").expect("short"));
    assert_eq!(verify(&identity, b"inline"), Ok(()));
    assert_eq!(verify(&identity, b"other"), Err(VerifyError::Mismatch));
    assert_eq!(inline_content(&identity), Some(&b"inline"[..]));
}

#[test]
fn unknown_and_cut_hashes_are_refused() {
    let digest = Code::Sha2_256.digest(b"x");
    let cut = Cid::new_v1(0x55, Multihash::wrap(0x12, &digest.digest()[..20]).expect("short"));
    assert_eq!(verify(&cut, b"x"), Err(VerifyError::DigestLength { code: 0x12, length: 20 }));
    let md5 = Cid::new_v1(0x55, Multihash::wrap(0xd5, &[0; 16]).expect("short"));
    assert_eq!(verify(&md5, b"x"), Err(VerifyError::UnknownHash(0xd5)));
}

#[test]
fn a_block_has_a_greatest_size() {
    let most = Bytes::from(vec![0; BLOCK_BYTES_MAX]);
    assert!(Block::new(Codec::Raw, most).is_ok());
    let more = Bytes::from(vec![0; BLOCK_BYTES_MAX + 1]);
    assert_eq!(Block::new(Codec::Raw, more.clone()), Err(BlockTooLarge(BLOCK_BYTES_MAX + 1)));
    let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&more));
    assert_eq!(Block::checked(cid, more), Err(VerifyError::TooLarge(BlockTooLarge(BLOCK_BYTES_MAX + 1))));
}
