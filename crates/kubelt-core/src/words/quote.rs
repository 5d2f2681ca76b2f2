//! Text that somebody else chose, made safe to stand in a sentence.
//!
//! It stands in double quotes, and no character in it can look like the end of them, like a new line, or change
//! the direction of what stands around it. What is escaped is a fixed list: the tables of Unicode grow, and two
//! replicas built at different times must make the same words.

/// Characters beyond ASCII that are written as `\u{…}`: they are not seen, look like spaces, line ends or quotes, sit on
/// other characters, or turn text around.
const ESCAPED: [(u32, u32); 29] = [
    (0x80, 0xa0),         // controls, no-break space
    (0xad, 0xad),         // soft hyphen
    (0xb4, 0xb4),         // acute accent
    (0x2b0, 0x36f),       // modifier letters, combining marks
    (0x5f3, 0x5f4),       // Hebrew quotes
    (0x600, 0x605),       // Arabic number signs
    (0x61c, 0x61c),       // Arabic letter mark
    (0x115f, 0x1160),     // Hangul fillers
    (0x1680, 0x1680),     // Ogham space
    (0x17b4, 0x17b5),     // Khmer vowels that are not seen
    (0x180b, 0x180f),     // Mongolian selectors
    (0x1ab0, 0x1aff),     // combining marks
    (0x1dc0, 0x1dff),     // combining marks
    (0x1fbd, 0x1fbf),     // Greek marks like quotes
    (0x2000, 0x206f),     // spaces, dashes, quotes, line ends, directions
    (0x20d0, 0x20ff),     // combining marks for symbols
    (0x2700, 0x27bf),     // ornaments, quotes among them
    (0x2e00, 0x2e7f),     // more punctuation
    (0x3000, 0x3020),     // wide space and quotes
    (0x3164, 0x3164),     // Hangul filler
    (0xd800, 0xf8ff),     // private use
    (0xfe00, 0xfe2f),     // variation selectors, vertical forms, combining halves
    (0xfeff, 0xff07),     // byte order mark, wide quotes
    (0xffa0, 0xffff),     // half-wide filler, specials
    (0x1_10bd, 0x1_10cd), // Kaithi number signs
    (0x1_3430, 0x1_3455), // hieroglyph joiners
    (0x1_bca0, 0x1_bca3), // shorthand format
    (0x1_d165, 0x1_d1ad), // musical marks and format
    (0xe_0000, u32::MAX), // tags, variation selectors, private use
];

/// `text` in double quotes; where it is not plain ASCII, with a note that says so, since letters of other scripts can
/// look like Latin ones.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if is_plain(c) => out.push(c),
            c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    out.push('"');
    if !text.is_ascii() {
        out.push_str(" (not plain ASCII)");
    }
    out
}

/// Whether a character may stand in a sentence as it is.
pub(super) fn is_plain(c: char) -> bool {
    let code = u32::from(c);
    (0x20..0x7f).contains(&code)
        || (code >= 0x80 && !ESCAPED.iter().any(|(from, to)| (*from..=*to).contains(&code)))
}

#[cfg(test)]
mod tests {
    use super::{ESCAPED, is_plain, quoted};

    #[test]
    fn what_could_pass_for_something_else_is_escaped() {
        for (text, expected) in [
            ("content/a.txt", "\"content/a.txt\""),
            ("a\" visible. \"b", "\"a\\\" visible. \\\"b\""),
            ("a\nCore: b", "\"a\\u{a}Core: b\""),
            ("a\u{7f}", "\"a\\u{7f}\""),
            ("a\\u{a}", "\"a\\\\u{a}\""),
            ("gr\u{fc}n", "\"gr\u{fc}n\" (not plain ASCII)"),
            ("\u{202e}txt", "\"\\u{202e}txt\" (not plain ASCII)"),
            ("a\u{201d}b", "\"a\\u{201d}b\" (not plain ASCII)"),
            ("a\u{2028}b", "\"a\\u{2028}b\" (not plain ASCII)"),
            ("a\u{200b}\u{feff}", "\"a\\u{200b}\\u{feff}\" (not plain ASCII)"),
            ("\u{e0041}", "\"\\u{e0041}\" (not plain ASCII)"),
            ("\u{456}", "\"\u{456}\" (not plain ASCII)"),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_invisible_character_of_the_standard_library_is_escaped() {
        assert!(ESCAPED.is_sorted_by(|a, b| a.1 < b.0), "sorted, and none overlaps");
        for c in '\0'..=char::MAX {
            if c.is_control() || (c.is_whitespace() && c != ' ') {
                assert!(!is_plain(c), "{:x}", u32::from(c));
            }
        }
    }
}
