//! Media types of bytes without a name: what their beginning tells (MIME Sniffing Standard, sections 6 and 7, and
//! a few more that browsers show or players play).

/// How many bytes are looked at.
pub(crate) const SNIFFED_BYTES: u64 = 1_445;

/// The media type of content that begins with `head`; `is_all` tells that nothing follows.
pub(crate) fn sniff(head: &[u8], is_all: bool) -> &'static str {
    for (offset, magic, kind) in MAGIC {
        if head.get(*offset..).is_some_and(|rest| rest.starts_with(magic)) {
            return kind;
        }
    }
    if let Some(kind) = container(head) {
        return kind;
    }
    let is_binary = head.iter().any(|byte| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f));
    if is_binary || !is_utf8(head, is_all) {
        return "application/octet-stream";
    }
    let text = head.trim_ascii_start();
    if let Some(kind) = markup(text) {
        return kind;
    }
    if is_json(text, is_all) { "application/json" } else { "text/plain" }
}

/// Where it stands, what stands there, and what it means.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS-Adobe-", "application/postscript"),
    (0, b"\0asm", "application/wasm"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS\0", "application/ogg"),
    (0, b"MThd\0\0\0\x06", "audio/midi"),
    (0, b".snd", "audio/basic"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO", "font/otf"),
    (0, b"\0\x01\0\0", "font/ttf"),
    (0, b"ttcf", "font/collection"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"\xfe\xff", "text/plain; charset=utf-16be"),
    (0, b"\xff\xfe", "text/plain; charset=utf-16le"),
];

/// RIFF, AIFF and ISO files say inside what they hold.
fn container(head: &[u8]) -> Option<&'static str> {
    match (head.get(..4)?, head.get(4..8)?, head.get(8..12)?) {
        (b"RIFF", _, b"WEBP") => Some("image/webp"),
        (b"RIFF", _, b"WAVE") => Some("audio/wave"),
        (b"RIFF", _, b"AVI ") => Some("video/avi"),
        (b"FORM", _, b"AIFF") => Some("audio/aiff"),
        (_, b"ftyp", b"avif" | b"avis") => Some("image/avif"),
        (_, b"ftyp", b"heic" | b"heix" | b"mif1") => Some("image/heic"),
        (_, b"ftyp", b"M4A ") => Some("audio/mp4"),
        (_, b"ftyp", b"qt  ") => Some("video/quicktime"),
        (_, b"ftyp", _) => Some("video/mp4"),
        _ => None,
    }
}

fn markup(text: &[u8]) -> Option<&'static str> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let begins = |tag: &str| {
        text.len() > tag.len()
            && text[..tag.len()].eq_ignore_ascii_case(tag.as_bytes())
            && matches!(text[tag.len()], b' ' | b'>' | b'\t' | b'\n' | b'\r' | b'/')
    };
    if text.starts_with(b"<?xml") {
        let has_svg = text.windows(4).any(|window| window == b"<svg");
        return Some(if has_svg { "image/svg+xml" } else { "text/xml" });
    }
    if begins("<svg") {
        return Some("image/svg+xml");
    }
    const HTML: [&str; 16] = [
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
    ];
    (HTML.into_iter().any(begins) || text.starts_with(b"<!--")).then_some("text/html")
}

/// Whether text is, or begins like, an object or a list of JSON: brackets outside of strings match, and nothing
/// stands between values but what JSON has there.
fn is_json(text: &[u8], is_all: bool) -> bool {
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return false;
    }
    if is_all {
        return serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    }
    // What is cut off ends too early, and is wrong nowhere before.
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        Ok(_) => true,
        Err(error) => error.is_eof(),
    }
}

/// A character that is cut off at the end is no fault.
fn is_utf8(head: &[u8], is_all: bool) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => !is_all && error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::sniff;

    #[test]
    fn beginnings_tell_what_follows() {
        let check = |head: &[u8], is_all: bool, kind: &str| {
            assert_eq!(sniff(head, is_all), kind, "{}", String::from_utf8_lossy(head));
        };
        check(b"", true, "text/plain");
        check(b"hello\n", true, "text/plain");
        check(b"  <!DOCTYPE HTML><p>", false, "text/html");
        check(b"<h1>hi</h1>", true, "text/html");
        check(b"<hr1>", true, "text/plain");
        check(b"<!-- a -->", true, "text/html");
        check(b"<?xml version='1.0'?><svg xmlns=''>", true, "image/svg+xml");
        check(b"<?xml version='1.0'?><feed>", true, "text/xml");
        check(b"<svg viewBox=''>", true, "image/svg+xml");
        check(b"{\"a\": [1, 2]}\n", true, "application/json");
        check(b"{\"a\": [1, 2], \"b", false, "application/json");
        check(b"{\"a\": [1, 2], \"b", true, "text/plain");
        check(b"{{ template }}", true, "text/plain");
        check(b"[section]\nname = 1", true, "text/plain");
        check(b"\x89PNG\r\n\x1a\n....", false, "image/png");
        check(b"RIFF....WEBPVP8 ", false, "image/webp");
        check(b"....ftypisom....", false, "video/mp4");
        check(b"....ftypavif....", false, "image/avif");
        check(b"%PDF-1.7", false, "application/pdf");
        check(b"\0\x02\x03", true, "application/octet-stream");
        check("gr\u{fc}n".as_bytes(), true, "text/plain");
        check(&"gr\u{fc}n".as_bytes()[..3], false, "text/plain");
        check(&"gr\u{fc}n".as_bytes()[..3], true, "application/octet-stream");
    }
}
