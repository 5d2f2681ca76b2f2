//! A file that is made before it is sent, and gone afterwards. What is in it is sealed already.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::private_file::{create_private_dir, write_private};

/// Removed when dropped.
#[derive(Debug)]
pub(crate) struct ScratchFile {
    path: PathBuf,
    file: File,
}

impl ScratchFile {
    /// An empty one in `dir`, for its owner only.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        create_private_dir(dir)?;
        let path = dir.join(format!("sealed.{}", std::process::id()));
        write_private(&path, &[])?;
        let file = File::options().write(true).open(&path)?;
        Ok(Self { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for ScratchFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // What is left behind is sealed, and replaced by the next process of this number.
        drop(fs::remove_file(&self.path));
    }
}
