//! Content from a node into files, checked against its CID.

mod cid_check;
mod destination;
mod tree;

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};

use kubelt_api::{Listing, ListingKind};

use cid_check::CidCheck;
pub(crate) use cid_check::Verdict;
pub(crate) use destination::Destination;
pub(crate) use tree::Tree;

use kubelt_content::limits::SYMLINK_TARGET_BYTES_MAX;

use crate::client::{Client, ClientError, CorePlace, Download};
use crate::limits::{COPY_BYTES, DIRECTORY_DEPTH_MAX, TREE_ENTRIES_MAX};
use crate::output::Progress;

/// Why content was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The connection was lost.
    #[error("the download was cut short; run the same command again")]
    CutShort(#[source] io::Error),
    /// The file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The bytes are not those of the CID.
    #[error("the bytes that came are not those of {cid}; nothing was kept")]
    Mismatch { cid: String },
    /// A name that would lead out of the directory.
    #[error(
        "the node lists an entry named `{0}`, which cannot be a file's name here; nothing of it was written"
    )]
    Name(String),
    /// More entries than anybody would mean to fetch.
    #[error("there are more than {TREE_ENTRIES_MAX} entries; get the directories in it one by one")]
    TooMany,
    /// Blocks that make no tree, or not those that were asked for.
    #[error("the directory cannot be read; the files that are there already are whole")]
    Tree(#[source] Box<kubelt_content::read::ReadError<tree::BlockError>>),
    /// Too deep.
    #[error("`{0}` lies deeper than {DIRECTORY_DEPTH_MAX} directories")]
    TooDeep(String),
}

/// What was fetched.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Fetched {
    pub(crate) files: u64,
    /// Symbolic links that were made.
    pub(crate) links: u64,
    pub(crate) bytes: u64,
    /// Files whose bytes were rebuilt to the CID that names them.
    pub(crate) verified: u64,
    /// Paths of symbolic links that lead out of the directory, or cannot be made here.
    pub(crate) left_out: Vec<String>,
    /// By which ways the node has fetched what it did not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ways: Vec<String>,
}

/// Copies a download to `to` and checks it on the way; `cid` names it where the caller knows better than the node.
pub(crate) fn save(
    download: Download,
    cid: Option<&str>,
    to: &Path,
    progress: &Progress,
) -> Result<(u64, Verdict), DownloadError> {
    let failed = |source| DownloadError::Write { path: to.to_owned(), source };
    let cid = cid.map(str::to_owned).or(download.cid);
    let mut check = CidCheck::new(cid.as_deref().filter(|_| !download.partial));
    let mut destination = Destination::open(to).map_err(failed)?;
    let mut body = progress.reading(download.body);
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        let count = body.read(&mut buffer).map_err(DownloadError::CutShort)?;
        if count == 0 {
            break;
        }
        check.update(&buffer[..count]);
        destination.write_all(&buffer[..count]).map_err(failed)?;
        bytes += count as u64;
    }
    let verdict = check.finish();
    if verdict == Verdict::Mismatch {
        return Err(DownloadError::Mismatch { cid: cid.unwrap_or_default() });
    }
    destination.keep().map_err(failed)?;
    Ok((bytes, verdict))
}

/// Whether what can be read is the file of a CID.
pub(crate) fn check_file(mut from: impl Read, cid: &str) -> io::Result<Verdict> {
    let mut check = CidCheck::new(Some(cid));
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(check.finish()),
            count => check.update(&buffer[..count]),
        }
    }
}

/// Fetches everything below a path of a core into a directory.
#[derive(Debug)]
pub(crate) struct Directory<'a> {
    pub(crate) client: &'a Client,
    pub(crate) core: &'a CorePlace,
    pub(crate) progress: &'a Progress,
}

impl Directory<'_> {
    /// Fetches `listing`, which lists `path`, into `to`.
    pub(crate) fn save(&self, path: &str, listing: &Listing, to: &Path) -> Result<Fetched, DownloadError> {
        let mut walk = Walk { fetched: Fetched::default(), links: Vec::new() };
        self.level(path, listing, to, &mut walk, 0)?;
        // Links are made when nothing is written any more, so that nothing is ever written through one.
        for (depth, path, to) in walk.links {
            let target = self.target(&path)?;
            match target.filter(|target| stays_inside(target, depth)).map(|target| make_link(&target, &to)) {
                Some(Ok(())) => walk.fetched.links += 1,
                Some(Err(_)) | None => walk.fetched.left_out.push(path),
            }
        }
        Ok(walk.fetched)
    }

    fn level(
        &self,
        path: &str,
        listing: &Listing,
        to: &Path,
        walk: &mut Walk,
        depth: usize,
    ) -> Result<(), DownloadError> {
        if depth == DIRECTORY_DEPTH_MAX {
            return Err(DownloadError::TooDeep(path.to_owned()));
        }
        make_directory(to).map_err(|source| DownloadError::Write { path: to.to_owned(), source })?;
        for entry in &listing.entries {
            if !is_plain_name(&entry.name) {
                return Err(DownloadError::Name(entry.name.clone()));
            }
            let path = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
            let to = to.join(&entry.name);
            match entry.kind {
                ListingKind::Directory => {
                    let below = self.client.whole_listing(self.core, &path)?;
                    self.level(&path, &below, &to, walk, depth + 1)?;
                }
                ListingKind::File => {
                    let download = self.client.content(self.core, &path, None)?;
                    self.progress.more(download.bytes.unwrap_or(0));
                    let (bytes, verdict) = save(download, entry.cid.as_deref(), &to, self.progress)?;
                    walk.fetched.files += 1;
                    walk.fetched.bytes += bytes;
                    walk.fetched.verified += u64::from(verdict == Verdict::Verified);
                }
                ListingKind::Symlink => walk.links.push((depth, path, to)),
            }
        }
        Ok(())
    }
}

/// What a walk has found so far; links by their depth, their path and where they go.
struct Walk {
    fetched: Fetched,
    links: Vec<(usize, String, PathBuf)>,
}

impl Directory<'_> {
    /// Where a symbolic link points; nothing where that is no text of a link's length.
    fn target(&self, path: &str) -> Result<Option<String>, DownloadError> {
        let mut target = String::new();
        let body = self.client.content(self.core, path, None)?.body;
        let read = body.take(SYMLINK_TARGET_BYTES_MAX as u64 + 1).read_to_string(&mut target);
        Ok(read.is_ok_and(|bytes| bytes <= SYMLINK_TARGET_BYTES_MAX).then_some(target))
    }
}

/// Whether a link so deep in a directory cannot lead out of it: it goes up no further than the directory, and only
/// at its beginning, since what it goes down to may be another link.
fn stays_inside(target: &str, depth: usize) -> bool {
    let mut parts = Path::new(target).components().filter(|part| *part != Component::CurDir).peekable();
    let mut above = 0;
    while parts.next_if_eq(&Component::ParentDir).is_some() {
        above += 1;
    }
    above <= depth && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(unix)]
fn make_link(target: &str, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(metadata) if metadata.is_symlink() => fs::remove_file(to)?,
        _ => {}
    }
    std::os::unix::fs::symlink(target, to)
}

#[cfg(not(unix))]
fn make_link(_target: &str, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes a directory where there is none; a symbolic link to one is none.
fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists && fs::symlink_metadata(path)?.is_dir() =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Whether a name is one step down, and nothing else, on this system.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
        && !name.contains(['\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::{is_plain_name, stays_inside};

    #[test]
    fn links_cannot_lead_out_of_their_directory() {
        for (target, depth) in [("a", 0), ("./a/b", 0), ("../a", 1), ("../../a/b", 2), ("", 0)] {
            assert!(stays_inside(target, depth), "{target}");
        }
        for (target, depth) in [("..", 0), ("/etc/passwd", 9), ("a/../b", 0), ("../../a", 1)] {
            assert!(!stays_inside(target, depth), "{target}");
        }
    }

    #[test]
    fn names_cannot_lead_out_of_their_directory() {
        for name in ["index.html", ".hidden", "a b", "ü", "..."] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", ".", "..", "/", "a/b", "../a", "/etc/passwd", "a/", "a\\b", "a\0"] {
            assert!(!is_plain_name(name), "{name}");
        }
    }
}
