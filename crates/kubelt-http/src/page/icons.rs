//! Small pictures of kinds of entries, drawn in lines.

use kubelt_node::ChildKind;

/// The picture of an entry, by what it is and what its name says.
pub(super) fn icon(kind: ChildKind, name: &str) -> &'static str {
    match kind {
        ChildKind::Directory => FOLDER,
        ChildKind::Symlink => LINK,
        ChildKind::File { .. } | ChildKind::Unknown { .. } => {
            let guess = mime_guess::from_path(name).first_raw().unwrap_or_default();
            match guess.split_once('/') {
                Some(("image", _)) => IMAGE,
                Some(("video", _)) => VIDEO,
                Some(("audio", _)) => AUDIO,
                Some(("text", _)) => TEXT,
                Some(("application", "zip" | "gzip" | "x-tar" | "x-7z-compressed" | "x-xz")) => ARCHIVE,
                Some(("application", "json" | "pdf" | "javascript" | "xml" | "toml" | "yaml")) => TEXT,
                _ => FILE,
            }
        }
    }
}

/// Up to the directory above.
pub(super) const UP: &str =
    "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M12 20V5m-6 6 6-6 6 6\"/></svg>";
const FOLDER: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M3 6.5A1.5 1.5 0 0 1 4.5 5h4l2 2.5h9A1.5 \
     1.5 0 0 1 21 9v8.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5z\"/></svg>";
const FILE: &str =
    "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M6 3h8l4 4v14H6zM14 3v4h4\"/></svg>";
const TEXT: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 15h6M9 \
     18h4\"/></svg>";
const IMAGE: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 4\"/><circle \
     cx=\"15\" cy=\"9\" r=\"1.4\"/></svg>";
const VIDEO: &str =
    "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M4 5h16v14H4zM10 9v6l5-3z\"/></svg>";
const AUDIO: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M9 17V6l10-2v11\"/><circle cx=\"6.5\" \
     cy=\"17\" r=\"2.5\"/><circle cx=\"16.5\" cy=\"15\" r=\"2.5\"/></svg>";
const ARCHIVE: &str =
    "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M4 4h16v4H4zM5 8v12h14V8M10 12h4\"/></svg>";
const LINK: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 \
     10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1\"/></svg>";
