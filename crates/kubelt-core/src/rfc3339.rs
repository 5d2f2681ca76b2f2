//! Dates as sign-in messages write them (RFC 3339), to and from milliseconds since the Unix epoch.

use time::{Date, Month, OffsetDateTime, format_description::well_known::Rfc3339};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const DAY_S: i64 = 24 * HOUR_S;

/// Milliseconds since the Unix epoch of an RFC 3339 `date-time`; `None` where the text is none.
///
/// Exactly the grammar of RFC 3339, section 5.6: any number of digits after the point (cut, not rounded,
/// at milliseconds), `T` and `Z` in either case, a leap second counted as the second after it.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date_time, rest) = bytes.split_at_checked(19)?;
    let punctuation = |at: usize, allowed: &[u8]| date_time.get(at).is_some_and(|b| allowed.contains(b));
    let shaped = punctuation(4, b"-")
        && punctuation(7, b"-")
        && punctuation(10, b"Tt")
        && punctuation(13, b":")
        && punctuation(16, b":");
    if !shaped {
        return None;
    }
    let field = |from: usize, to: usize| digits(date_time.get(from..to)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, offset) = fraction(rest)?;
    let month = Month::try_from(u8::try_from(field(5, 7)?).ok()?).ok()?;
    let year = i32::try_from(field(0, 4)?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(field(8, 10)?).ok()?).ok()?;
    let days = i64::from(date.to_julian_day()) - i64::from(OffsetDateTime::UNIX_EPOCH.to_julian_day());
    let seconds = days * DAY_S + hour * HOUR_S + minute * MINUTE_S + second - offset_seconds(offset)?;
    Some(seconds * 1_000 + millis)
}

/// The RFC 3339 text of a time, in UTC with milliseconds; `None` beyond the year 9999.
pub(crate) fn format(ms: u64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()?;
    let whole = time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()?;
    Some(format!("{}.{:03}Z", whole.strip_suffix('Z')?, ms % 1_000))
}

/// Milliseconds of an optional `.ddd…`, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = after.iter().take_while(|b| b.is_ascii_digit()).count();
    let (fraction, offset) = after.split_at(count);
    if fraction.is_empty() {
        return None;
    }
    let millis = (0..3).fold(0, |sum, at| sum * 10 + i64::from(fraction.get(at).map_or(0, |b| b - b'0')));
    Some((millis, offset))
}

/// Seconds that `Z`, `+hh:mm` or `-hh:mm` is ahead of UTC.
fn offset_seconds(offset: &[u8]) -> Option<i64> {
    let sign = match offset {
        [b'Z' | b'z'] => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(offset.get(1..3)?)?, digits(offset.get(4..6)?)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * HOUR_S + minutes * MINUTE_S))
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests;
