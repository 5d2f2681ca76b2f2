//! What is to be published, before a byte of it is read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::limits::DIRECTORY_DEPTH_MAX;

/// Whether files and directories whose names begin with a dot are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    Taken,
    LeftOut,
}

/// A file, or a directory with everything in it, in the order of names.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) path: PathBuf,
    pub(super) root: Node,
    pub(super) files: Vec<FileSource>,
}

/// A file as it was found.
#[derive(Debug)]
pub(super) struct FileSource {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
}

#[derive(Debug)]
pub(super) enum Node {
    /// The place of the file in [`Tree::files`].
    File(usize),
    Symlink(String),
    Directory(Vec<(String, Node)>),
}

/// Why something cannot be published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// Nothing there.
    #[error("there is nothing at `{}`", path.display())]
    Missing { path: PathBuf },
    /// A file or directory that cannot be looked at.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A socket, a device.
    #[error("`{}` is neither a file, a directory nor a symbolic link; take it out of the directory", path.display())]
    Special { path: PathBuf },
    /// A name or target that is not UTF-8.
    #[error("the name or target of `{}` is not UTF-8; rename it", path.display())]
    NotUtf8 { path: PathBuf },
    /// Too deep.
    #[error("`{}` lies deeper than {DIRECTORY_DEPTH_MAX} directories", path.display())]
    TooDeep { path: PathBuf },
}

impl Tree {
    /// Looks at everything below `path`, which is followed if it is a symbolic link itself.
    pub(crate) fn scan(path: &Path, hidden: Hidden) -> Result<Self, ScanError> {
        let mut scan = Scan { hidden, files: Vec::new() };
        let metadata = fs::metadata(path).map_err(|error| scan_error(path, error))?;
        let root = scan.node(path.to_owned(), &metadata, 0)?;
        Ok(Self { path: path.to_owned(), root, files: scan.files })
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// How many files there are.
    pub(crate) fn file_count(&self) -> u64 {
        self.files.len() as u64
    }

    /// Whether it is a directory.
    pub(crate) const fn is_directory(&self) -> bool {
        matches!(self.root, Node::Directory(_))
    }
}

struct Scan {
    hidden: Hidden,
    files: Vec<FileSource>,
}

impl Scan {
    fn node(&mut self, path: PathBuf, metadata: &fs::Metadata, depth: usize) -> Result<Node, ScanError> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            return self.directory(path, depth);
        }
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(|error| scan_error(&path, error))?;
            return match target.into_os_string().into_string() {
                Ok(target) => Ok(Node::Symlink(target)),
                Err(_) => Err(ScanError::NotUtf8 { path }),
            };
        }
        if !kind.is_file() {
            return Err(ScanError::Special { path });
        }
        self.files.push(FileSource { path, bytes: metadata.len(), modified: metadata.modified().ok() });
        Ok(Node::File(self.files.len() - 1))
    }

    fn directory(&mut self, path: PathBuf, depth: usize) -> Result<Node, ScanError> {
        if depth == DIRECTORY_DEPTH_MAX {
            return Err(ScanError::TooDeep { path });
        }
        let mut names = Vec::new();
        let failed = |error| scan_error(&path, error);
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(ScanError::NotUtf8 { path: entry.path() });
            };
            if self.hidden == Hidden::Taken || !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort_unstable();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let path = path.join(&name);
            let metadata = fs::symlink_metadata(&path).map_err(|error| scan_error(&path, error))?;
            entries.push((name, self.node(path, &metadata, depth + 1)?));
        }
        Ok(Node::Directory(entries))
    }
}

fn scan_error(path: &Path, source: io::Error) -> ScanError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ScanError::Missing { path },
        _ => ScanError::Read { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Hidden, Node, ScanError, Tree};

    fn names(tree: &Tree) -> Vec<&str> {
        let Node::Directory(entries) = &tree.root else { panic!("a directory was scanned") };
        entries.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn entries_come_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        for name in ["b", "a.txt", ".hidden", "B"] {
            fs::write(dir.path().join(name), name).expect("it can be written");
        }
        let tree = Tree::scan(dir.path(), Hidden::Taken).expect("it can be scanned");
        assert_eq!(names(&tree), [".hidden", "B", "a.txt", "b"]);
        assert_eq!((tree.file_count(), tree.bytes()), (4, 14));
        let tree = Tree::scan(dir.path(), Hidden::LeftOut).expect("it can be scanned");
        assert_eq!(names(&tree), ["B", "a.txt", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_stay_links_and_special_files_are_refused() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        std::os::unix::fs::symlink("nowhere/at/all", dir.path().join("link")).expect("links can be made");
        let tree = Tree::scan(dir.path(), Hidden::Taken).expect("it can be scanned");
        let Node::Directory(entries) = &tree.root else { panic!("a directory was scanned") };
        assert!(matches!(&entries[0].1, Node::Symlink(target) if target == "nowhere/at/all"));
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).expect("a socket");
        assert!(matches!(Tree::scan(dir.path(), Hidden::Taken), Err(ScanError::Special { .. })));
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let error = Tree::scan(&dir.path().join("none"), Hidden::Taken).expect_err("it is not there");
        assert!(matches!(error, ScanError::Missing { path } if path.ends_with("none")));
    }
}
