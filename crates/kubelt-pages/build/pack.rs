//! Compresses files and writes the table that `src/lib.rs` includes.

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
};

use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use super::site::File;

/// Writes `files` into `folder`. What an earlier run has compressed is not compressed again: files are named by their hash.
pub(crate) fn write(folder: &Path, mut files: Vec<File>) -> io::Result<()> {
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut used = HashSet::from(["files.rs".to_owned()]);
    let mut table = String::from("&[\n");
    for File { path, media_type, bytes } in files {
        let hash = hex::encode(&Sha256::digest(&bytes)[..16]);
        let mut form = |ending: &str, make: &dyn Fn(&[u8]) -> io::Result<Vec<u8>>| -> io::Result<String> {
            let name = format!("{hash}{ending}");
            let place = folder.join(&name);
            if !place.exists() {
                let fresh = folder.join("fresh");
                fs::write(&fresh, make(&bytes)?)?;
                fs::rename(fresh, &place)?;
            }
            let is_worth_it = ending.is_empty() || fs::metadata(&place)?.len() < bytes.len() as u64;
            used.insert(name.clone());
            let include = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\"))");
            Ok(match (ending, is_worth_it) {
                ("", _) => include,
                (_, true) => format!("Some({include})"),
                (_, false) => "None".to_owned(),
            })
        };
        let plain = form("", &|bytes| Ok(bytes.to_vec()))?;
        let (gzip, brotli) = (form(".gz", &gzip)?, form(".br", &brotli)?);
        let _ = writeln!(
            table,
            "File {{ path: {path:?}, media_type: {media_type:?}, hash: {hash:?}, plain: {plain}, gzip: {gzip}, brotli: {brotli} }},"
        );
    }
    table.push(']');
    fs::write(folder.join("files.rs"), table)?;
    forget_others(folder, &used)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn brotli(mut bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut bytes, &mut packed, &BrotliEncoderParams::default())?;
    Ok(packed)
}

fn forget_others(folder: &Path, used: &HashSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| used.contains(name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
