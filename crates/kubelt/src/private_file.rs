//! Files and directories that nobody but their owner can read.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Makes a directory with all above it, for its owner only (0700).
pub(crate) fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

/// Writes a file for its owner only (0600), durably. What a stopped process left under that name is replaced.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a file for its owner only, whole or not at all, and never over another, in a directory that is made for it.
pub(crate) fn write_new_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let fresh = dir.join(format!(".{name}.{}", std::process::id()));
    let result = create_private_dir(dir)
        .and_then(|()| write_private(&fresh, bytes))
        // A link fails where the name is taken, which a rename would not.
        .and_then(|()| fs::hard_link(&fresh, path))
        .and_then(|()| sync_dir(dir));
    let _gone_or_never_there = fs::remove_file(&fresh);
    result
}

/// Makes a new name in a directory survive a power cut.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(dir)?.sync_all() } else { Ok(()) }
}
