//! What the machine can do at best: what benchmarks are held against, measured in the same run.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::rounds::Work;

/// Pieces in which files are written and bytes are hashed.
const PIECE_BYTES: usize = 1024 * 1024;

/// Bytes that no file system can compress or share, the same on every run.
pub(crate) fn incompressible(bytes: usize) -> Vec<u8> {
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        data.extend_from_slice(&next().to_le_bytes());
    }
    data.truncate(bytes);
    data
}

/// SHA-256 of all bytes in pieces of a block's size, on every core.
pub(crate) fn sha256_on_all_cores(data: &[u8]) -> Result<Work> {
    let cores = thread::available_parallelism().context("the number of cores is unknown")?.get();
    let pieces: Vec<&[u8]> = data.chunks(PIECE_BYTES).collect();
    Work::timed(data.len() as f64, || {
        let share = pieces.len().div_ceil(cores).max(1);
        thread::scope(|scope| {
            for pieces in pieces.chunks(share) {
                scope.spawn(|| {
                    pieces.iter().for_each(|piece| _ = std::hint::black_box(Sha256::digest(piece)))
                });
            }
        });
        Ok(())
    })
}

/// All bytes into one new file with one sync at the end, as `dd conv=fdatasync` does.
pub(crate) fn write_and_sync(dir: &Path, data: &[u8]) -> Result<Work> {
    let path = dir.join("written");
    let work = Work::timed(data.len() as f64, || {
        let mut file = File::create(&path).context("cannot create a file to measure the disk")?;
        for piece in data.chunks(PIECE_BYTES) {
            file.write_all(piece).context("cannot write to measure the disk")?;
        }
        file.sync_data().context("cannot sync to measure the disk")
    })?;
    std::fs::remove_file(&path).context("cannot remove what was written")?;
    Ok(work)
}

/// A file copied with one sync at the end, as `dd if=… bs=1M conv=fdatasync` does.
pub(crate) fn copy_and_sync(dir: &Path, source: &Path) -> Result<Work> {
    let path = dir.join("copied");
    let mut from = File::open(source).context("cannot read to measure the disk")?;
    let bytes = from.metadata().context("cannot read to measure the disk")?.len();
    let mut piece = vec![0; PIECE_BYTES];
    let work = Work::timed(bytes as f64, || {
        let mut file = File::create(&path).context("cannot create a file to measure the disk")?;
        loop {
            match from.read(&mut piece).context("cannot read to measure the disk")? {
                0 => return file.sync_data().context("cannot sync to measure the disk"),
                read => file.write_all(&piece[..read]).context("cannot write to measure the disk")?,
            }
        }
    })?;
    std::fs::remove_file(&path).context("cannot remove what was copied")?;
    Ok(work)
}

/// Records appended to one file, `together` of them for one sync: a bare group commit.
pub(crate) fn append_and_sync(dir: &Path, record: &[u8], together: usize, syncs: usize) -> Result<Work> {
    let path = dir.join("appended");
    let group = record.repeat(together);
    let work = Work::timed((together * syncs) as f64, || {
        let mut file = File::create(&path).context("cannot create a file to measure the disk")?;
        for _ in 0..syncs {
            file.write_all(&group).context("cannot write to measure the disk")?;
            file.sync_data().context("cannot sync to measure the disk")?;
        }
        Ok(())
    })?;
    std::fs::remove_file(&path).context("cannot remove what was written")?;
    Ok(work)
}

#[cfg(test)]
mod tests {
    use super::{append_and_sync, copy_and_sync, incompressible, sha256_on_all_cores, write_and_sync};

    #[test]
    fn bytes_are_the_same_on_every_run_and_look_random() {
        let data = incompressible(1_000_001);
        assert_eq!(data.len(), 1_000_001);
        assert_eq!(data, incompressible(1_000_001));
        let ones: u32 = data.iter().map(|byte| byte.count_ones()).sum();
        assert!((3_990_000..4_010_000).contains(&ones), "{ones}");
    }

    #[test]
    fn work_is_counted_and_files_are_removed() {
        let dir = tempfile::TempDir::new().expect("a temporary directory can be made");
        let data = incompressible(100_000);
        assert_eq!(sha256_on_all_cores(&data).expect("it hashes").amount, 100_000.0);
        assert_eq!(write_and_sync(dir.path(), &data).expect("it writes").amount, 100_000.0);
        let elsewhere = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        std::fs::write(elsewhere.path(), &data).expect("it can be written");
        assert_eq!(copy_and_sync(dir.path(), elsewhere.path()).expect("it copies").amount, 100_000.0);
        assert_eq!(append_and_sync(dir.path(), &data[..64], 8, 3).expect("it appends").amount, 24.0);
        assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 0);
    }
}
