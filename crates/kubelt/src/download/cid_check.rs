//! Whether bytes are those of a CID.
//!
//! A block is its hash. The CID of a file of many blocks depends also on how it was cut, so the file is built
//! again under every profile that could have made such a CID.

use std::convert::Infallible;

use kubelt_content::limits::{BLOCK_BYTES_MAX, SYMLINK_TARGET_BYTES_MAX};
use kubelt_content::unixfs::{Importer, Metadata, Profile, symlink};
use kubelt_content::{Block, Cid, Codec, parse_cid, verify};

/// What is known of bytes that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are those of the CID.
    Verified,
    /// They are others.
    Mismatch,
    /// They may be: the CID was made in a way that is not known here, or there is none.
    Unverified,
}

/// Takes the bytes as they come.
#[derive(Debug)]
pub(super) enum CidCheck {
    Block {
        cid: Cid,
        bytes: Vec<u8>,
    },
    /// Files of several blocks, and symbolic links, whose bytes are their target.
    File {
        cid: Cid,
        importers: Vec<(Profile, Importer)>,
        head: Vec<u8>,
    },
    Nothing,
}

impl CidCheck {
    pub(super) fn new(cid: Option<&str>) -> Self {
        let Some(cid) = cid.and_then(|text| parse_cid(text).ok()) else { return Self::Nothing };
        let profiles: &[Profile] = match (Codec::of(&cid), cid.version()) {
            (Ok(Codec::DagPb), cid::Version::V0) => &[Profile::V0_2015],
            (Ok(Codec::DagPb), cid::Version::V1) => &[Profile::V1_2025, Profile::V1_LEGACY],
            (Ok(_), _) => return Self::Block { cid, bytes: Vec::new() },
            (Err(_), _) => return Self::Nothing,
        };
        let importers = profiles.iter().map(|&profile| (profile, Importer::new(profile))).collect();
        Self::File { cid, importers, head: Vec::new() }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Block { bytes, .. } if bytes.len() + piece.len() > BLOCK_BYTES_MAX => *self = Self::Nothing,
            Self::Block { bytes, .. } => bytes.extend_from_slice(piece),
            Self::File { importers, head, .. } => {
                let room = (SYMLINK_TARGET_BYTES_MAX + 1).saturating_sub(head.len()).min(piece.len());
                head.extend_from_slice(&piece[..room]);
                for (_, importer) in importers {
                    let Ok(()) = importer.write(piece, &mut drop_block);
                }
            }
            Self::Nothing => {}
        }
    }

    pub(super) fn finish(self) -> Verdict {
        match self {
            Self::Block { cid, bytes } if verify(&cid, &bytes).is_ok() => Verdict::Verified,
            Self::Block { .. } => Verdict::Mismatch,
            Self::File { cid, importers, head } => {
                let is_it = |(profile, importer): (Profile, Importer)| {
                    let Ok(root) = importer.finish(&mut drop_block);
                    root.cid == cid || is_link(&cid, profile, &head)
                };
                if importers.into_iter().any(is_it) { Verdict::Verified } else { Verdict::Unverified }
            }
            Self::Nothing => Verdict::Unverified,
        }
    }
}

fn is_link(cid: &Cid, profile: Profile, target: &[u8]) -> bool {
    let Ok(target) = str::from_utf8(target) else { return false };
    symlink(profile, target, Metadata::default()).is_ok_and(|block| block.cid() == cid)
}

fn drop_block(_block: Block) -> Result<(), Infallible> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use kubelt_content::unixfs::{Importer, Metadata, Profile, symlink};
    use kubelt_content::{Block, Codec};

    use super::{CidCheck, Verdict, drop_block};

    fn check(cid: Option<&str>, bytes: &[u8]) -> Verdict {
        let mut check = CidCheck::new(cid);
        for piece in bytes.chunks(100_000) {
            check.update(piece);
        }
        check.finish()
    }

    #[test]
    fn files_of_every_profile_are_known_again() {
        let bytes: Vec<u8> = (0..2_500_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for profile in Profile::ALL {
            for bytes in [&bytes[..], &bytes[..1000], &[]] {
                let mut importer = Importer::new(profile);
                let Ok(()) = importer.write(bytes, &mut drop_block);
                let Ok(root) = importer.finish(&mut drop_block);
                assert_eq!(check(Some(&root.cid.to_string()), bytes), Verdict::Verified);
                assert_ne!(check(Some(&root.cid.to_string()), b"other"), Verdict::Verified);
            }
        }
    }

    #[test]
    fn links_are_known_again() {
        for profile in [Profile::V1_2025, Profile::V0_2015] {
            let block = symlink(profile, "../a", Metadata::default()).expect("it is short");
            assert_eq!(check(Some(&block.cid().to_string()), b"../a"), Verdict::Verified);
            assert_eq!(check(Some(&block.cid().to_string()), b"../b"), Verdict::Unverified);
        }
    }

    #[test]
    fn a_block_that_differs_is_a_lie_and_a_strange_cid_is_not() {
        let block = Block::new(Codec::Raw, "hello world".into()).expect("it is small");
        let raw = &block.cid().to_string();
        assert_eq!(check(Some(raw), b"hello world"), Verdict::Verified);
        assert_eq!(check(Some(raw), b"hello worle"), Verdict::Mismatch);
        assert_eq!(check(None, b"hello world"), Verdict::Unverified);
        assert_eq!(check(Some("no cid"), b"hello world"), Verdict::Unverified);
    }
}
