//! Numbers, times and tables in words.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};

/// `100.00 MiB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// `12,345 blocks`, `1 block`.
pub(crate) fn count_text(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

/// `100.00 MiB/s`; empty where there was too little to measure.
pub(crate) fn rate_text(bytes: u64, time: Duration) -> String {
    let millis = time.as_millis();
    if millis == 0 || bytes < 1024 * 1024 {
        return String::new();
    }
    let rate = u128::from(bytes) * 1000 / millis;
    format!("{}/s", HumanBytes(u64::try_from(rate).unwrap_or(u64::MAX)))
}

/// `2026-11-22 10:46:43` of an RFC 3339 time in UTC.
pub(crate) fn short_time(rfc3339: &str) -> String {
    match rfc3339.get(..19) {
        Some(start) if rfc3339.ends_with('Z') => start.replacen('T', " ", 1),
        _ => rfc3339.to_owned(),
    }
}

/// Rows with their cells in line; the last cell of a row is not padded.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let start = text.len();
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{columns, count_text, rate_text, short_time};

    #[test]
    fn tables_are_in_line_and_have_no_trailing_spaces() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let table = columns(&[row(["a", "", "x"]), row(["ünï", "bb", ""])]);
        assert_eq!(table, "a        x\nünï  bb\n");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(count_text(1, "block"), "1 block");
        assert_eq!(count_text(12_345, "block"), "12,345 blocks");
        assert_eq!(rate_text(1 << 20, Duration::from_millis(500)), "2.00 MiB/s");
        assert_eq!(rate_text(1 << 20, Duration::ZERO), "");
        assert_eq!(rate_text(100, Duration::from_secs(1)), "");
        assert_eq!(short_time("2026-11-22T10:46:43.123Z"), "2026-11-22 10:46:43");
        assert_eq!(short_time("2026-11-22T10:46:43+01:00"), "2026-11-22T10:46:43+01:00");
    }
}
