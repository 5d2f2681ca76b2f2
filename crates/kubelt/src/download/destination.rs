//! Where bytes are written: to stdout, or to a file that is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Gone again unless it is kept.
#[derive(Debug)]
pub(crate) struct Destination {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Stdout(io::Stdout),
    /// A device or a pipe: what is there stays what it is.
    Device(File),
    File {
        file: File,
        fresh: PathBuf,
        path: PathBuf,
        kept: bool,
    },
}

impl Destination {
    /// A file beside `path` that takes its place when kept; stdout for `-`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self { kind: Kind::Stdout(io::stdout()) });
        }
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Ok(Self { kind: Kind::Device(File::options().write(true).open(path)?) });
        }
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut fresh_name = std::ffi::OsString::from(".");
        fresh_name.push(name);
        fresh_name.push(format!(".{}", std::process::id()));
        let fresh = path.with_file_name(fresh_name);
        let file = File::create(&fresh)?;
        Ok(Self { kind: Kind::File { file, fresh, path: path.to_owned(), kept: false } })
    }

    /// Puts the file in its place.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Stdout(stdout) => stdout.flush(),
            Kind::Device(device) => device.flush(),
            Kind::File { fresh, path, kept, .. } => {
                fs::rename(fresh, path)?;
                *kept = true;
                Ok(())
            }
        }
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Stdout(stdout) => stdout.write(bytes),
            Kind::Device(file) | Kind::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Stdout(stdout) => stdout.flush(),
            Kind::Device(file) | Kind::File { file, .. } => file.flush(),
        }
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Kind::File { fresh, kept: false, .. } = &self.kind {
            // What is left behind is named after this process and in nobody's way.
            drop(fs::remove_file(fresh));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::Destination;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("file");
        fs::write(&path, "old").expect("it can be written");
        for keep in [false, true] {
            let mut destination = Destination::open(&path).expect("it can be opened");
            destination.write_all(b"new").expect("it can be written");
            if keep {
                destination.keep().expect("it can be renamed");
            }
        }
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "new");
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 1);
        assert!(Destination::open(dir.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_device_stays_a_device() {
        use std::os::unix::fs::FileTypeExt as _;
        let dir = tempfile::tempdir().expect("a directory for the test");
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        assert!(Destination::open(&socket).is_err(), "a socket cannot be opened as a file");
        let there = fs::symlink_metadata(&socket).expect("it is there");
        assert!(there.file_type().is_socket());
        let mut destination = Destination::open("/dev/null".as_ref()).expect("it takes everything");
        assert!(matches!(destination.kind, super::Kind::Device(_)));
        destination.write_all(b"nothing").expect("it takes everything");
        destination.keep().expect("there is nothing to rename");
    }
}
