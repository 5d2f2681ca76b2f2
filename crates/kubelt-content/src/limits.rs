//! Every limit of this crate, with its unit in its name.

/// Largest block that is made, read or carried in a CAR: 2 MiB, what every transport of the network takes.
pub const BLOCK_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Largest leaf of a file that is made: as a node it must fit into a block, too.
pub const CHUNK_BYTES_MAX: usize = BLOCK_BYTES_MAX - 256;

/// Longest digest that a CID of this crate holds. Longer identity CIDs are refused.
pub const DIGEST_BYTES_MAX: usize = 64;

/// Longest binary CID: four varints of ten bytes and the digest.
pub const CID_BYTES_MAX: usize = 40 + DIGEST_BYTES_MAX;

/// Longest textual CID that is parsed.
pub const CID_TEXT_BYTES_MAX: usize = 256;

/// Most links that one block may have.
pub const LINKS_PER_BLOCK_MAX: usize = 65_536;

/// Deepest nesting of lists and maps in one dag-cbor, dag-json or json block.
pub const IPLD_DEPTH_MAX: usize = 120;

/// Longest name of a directory entry that is written.
pub const NAME_BYTES_MAX: usize = 1024;

/// Longest target of a symbolic link that is written.
pub const SYMLINK_TARGET_BYTES_MAX: usize = 4096;

/// Deepest file DAG that is read.
pub const FILE_DEPTH_MAX: usize = 64;

/// Widest HAMT shard that is read (UnixFS specification, `fanout`).
pub const HAMT_FANOUT_MAX: u64 = 1024;

/// Most segments of one path.
pub const PATH_SEGMENTS_MAX: usize = 256;

/// Default depth of a walk over a DAG.
pub const WALK_DEPTH_MAX: usize = 1024;

/// Default number of distinct blocks of a walk over a DAG.
pub const WALK_BLOCKS_MAX: usize = 16 * 1024 * 1024;

/// Longest header of a CAR.
pub const CAR_HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Most roots of a CAR.
pub const CAR_ROOTS_MAX: usize = 16_384;

/// Longest section of a CAR: a CID and a block.
pub const CAR_SECTION_BYTES_MAX: usize = BLOCK_BYTES_MAX + CID_BYTES_MAX;

/// Most bytes between the header of a CARv2 and its payload.
pub const CAR_PADDING_BYTES_MAX: u64 = 1024 * 1024;

/// Longest header of a denylist, in bytes (IPIP-383).
pub const DENYLIST_HEADER_BYTES_MAX: usize = 1 << 20;
/// Rules of all denylists together.
pub const DENYLIST_RULES_MAX: u32 = 20_000_000;

/// Levels of directories in one TAR archive.
pub const TAR_DEPTH_MAX: usize = 512;
/// Entries of one TAR archive.
pub const TAR_ENTRIES_MAX: u64 = 10_000_000;
/// Longest path in a TAR archive, in bytes.
pub const TAR_PATH_BYTES_MAX: usize = 4_096;

/// Largest IPNS record (IPNS specification, "Record Size Limit").
pub const IPNS_RECORD_BYTES_MAX: usize = 10 * 1024;

/// Longest key that is an IPNS name itself instead of its hash (Peer Ids specification, "Peer Ids").
pub const IPNS_INLINE_KEY_BYTES_MAX: usize = 42;

/// Longest public key: RSA with 8192 bits has some 1,060 bytes.
pub const IPNS_KEY_BYTES_MAX: usize = 2048;

/// Largest `_redirects` file (Web Redirects File Specification, "Max File Size").
pub const REDIRECTS_BYTES_MAX: usize = 64 * 1024;

/// Most placeholders in one rule of a `_redirects` file.
pub const REDIRECT_PLACEHOLDERS_MAX: usize = 256;

/// Longest target that a rule of a `_redirects` file makes.
pub const REDIRECT_TARGET_BYTES_MAX: usize = 64 * 1024;

/// Most entries of a want list, and most presences, in one bitswap message.
pub const BITSWAP_ENTRIES_MAX: usize = 65_536;

/// Most blocks in one bitswap message.
pub const BITSWAP_BLOCKS_MAX: usize = 65_536;

/// Longest bitswap message that is taken (Bitswap specification, "Bitswap 1.2.0").
pub const BITSWAP_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
