//! Times in answers.

use time::{
    OffsetDateTime,
    format_description::well_known::{Rfc2822, Rfc3339},
};

/// Milliseconds since the Unix epoch as RFC 3339 text in UTC, to the second.
pub(crate) fn rfc3339(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds.min(253_402_300_799)).expect("year 9999 at most");
    time.format(&Rfc3339).expect("years to 9999 can be written")
}

/// The same, to the millisecond.
pub(crate) fn rfc3339_ms(ms: u64) -> String {
    let whole = rfc3339(ms);
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), ms % 1_000)
}

/// Milliseconds since the Unix epoch of RFC 3339 text, cut at milliseconds; none where it is none, or before 1970.
pub(crate) fn parse_rfc3339_ms(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// Seconds since the Unix epoch as a date of HTTP (RFC 9110, section 5.6.7); none after the year 9999.
pub(crate) fn http_date(seconds: u64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    Some(time.format(&Rfc2822).ok()?.replace("+0000", "GMT"))
}

#[cfg(test)]
mod tests {
    use super::{http_date, parse_rfc3339_ms, rfc3339, rfc3339_ms};

    #[test]
    fn milliseconds_come_back() {
        for ms in [0, 7, 1_700_000_000_999] {
            assert_eq!(parse_rfc3339_ms(&rfc3339_ms(ms)), Some(ms));
        }
        assert_eq!(parse_rfc3339_ms("2023-11-14T23:13:20.9999+01:00"), Some(1_700_000_000_999));
        for text in ["", "2023-11-14", "1969-12-31T23:59:59Z", "yesterday"] {
            assert_eq!(parse_rfc3339_ms(text), None, "{text}");
        }
    }

    #[test]
    fn dates_of_http_are_in_gmt() {
        assert_eq!(http_date(784_111_777).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(http_date(u64::MAX), None);
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_700_000_000_999), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
