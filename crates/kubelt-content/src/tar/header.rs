//! The headers of an archive: ustar, with a pax header before it where ustar has no room.

use bytes::Bytes;

use crate::unixfs::Metadata;

/// Bytes of a record; everything is padded to it.
const RECORD: usize = 512;
/// Bytes that ustar has for a path, and for the target of a link.
const NAME: usize = 100;
/// First size that eleven octal digits do not hold.
const SIZE_END: u64 = 1 << 33;

/// One entry's header.
pub(super) struct Header<'a> {
    /// Without a slash at either end.
    pub(super) path: &'a str,
    pub(super) metadata: &'a Metadata,
    pub(super) size: u64,
    pub(super) kind: Type<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Type<'a> {
    File,
    Directory,
    /// With its target.
    Symlink(&'a str),
}

/// Zeros behind content of this size.
pub(super) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % RECORD as u64).expect("less than a record");
    (RECORD - over) % RECORD
}

impl Header<'_> {
    pub(super) fn encode(&self) -> Bytes {
        let (flag, mode, link) = match self.kind {
            Type::File => (b'0', 0o644, ""),
            Type::Directory => (b'5', 0o755, ""),
            Type::Symlink(target) => (b'2', 0o777, target),
        };
        let path = match self.kind {
            Type::Directory => format!("{}/", self.path),
            _ => self.path.to_owned(),
        };
        let mode = self.metadata.mode.map_or(mode, |mode| mode & 0o7777);
        let seconds = self.metadata.mtime.map_or(0, |mtime| mtime.seconds);
        let mut pax = Vec::new();
        if needs_pax(&path) {
            pax_record(&mut pax, "path", &path);
        }
        if needs_pax(link) {
            pax_record(&mut pax, "linkpath", link);
        }
        if self.size >= SIZE_END {
            pax_record(&mut pax, "size", &self.size.to_string());
        }
        let time = u64::try_from(seconds).ok().filter(|seconds| *seconds < SIZE_END);
        if time.is_none() {
            pax_record(&mut pax, "mtime", &seconds.to_string());
        }
        let mut out = Vec::with_capacity(RECORD * 3);
        if !pax.is_empty() {
            let size = pax.len() as u64;
            out.extend_from_slice(&ustar("pax", "", size, 0o644, 0, b'x'));
            out.extend_from_slice(&pax);
            out.resize(out.len() + padding(size), 0);
        }
        let size = if self.size < SIZE_END { self.size } else { 0 };
        out.extend_from_slice(&ustar(&path, link, size, mode, time.unwrap_or(0), flag));
        out.into()
    }
}

fn needs_pax(text: &str) -> bool {
    text.len() > NAME || !text.is_ascii()
}

/// `length key=value\n`, where the length counts itself.
fn pax_record(out: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while rest + len.to_string().len() != len {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(format!("{len} {key}={value}\n").as_bytes());
}

fn ustar(path: &str, link: &str, size: u64, mode: u32, mtime: u64, flag: u8) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    let cut = |text: &str| text.as_bytes()[..text.len().min(NAME)].to_vec();
    put(0, &cut(path));
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{mtime:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[flag]);
    put(157, &cut(link));
    put(257, b"ustar\x0000");
    let sum: u32 = out.iter().map(|byte| u32::from(*byte)).sum();
    out[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out
}
