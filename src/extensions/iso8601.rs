//! Times as `sign-in-with-x` writes them: RFC 3339 in UTC, such as `2026-09-21T14:13:10.000Z`.

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Milliseconds since 1970; none where the text is anything else, or before that.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    if !(1..=9).contains(&fraction.len()) || !is_digits(fraction) {
        return None;
    }
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    let seconds = (years + months + day - 1) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    Some(seconds * 1000 + millis)
}

/// The text of a time; years beyond 9999 do not come.
pub(super) fn write(millis: u64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (mut days, second) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let (mut year, mut month) = (1970, 1);
    let length = |year| if is_leap(year) { 366 } else { 365 };
    while days >= length(year) && year < 9999 {
        days -= length(year);
        year += 1;
    }
    while month < 12 && days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", days + 1)
}

fn fields(text: &str, separator: char, lengths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut fields = [0; 3];
    for (field, length) in fields.iter_mut().zip(lengths) {
        *field = parts.next().filter(|part| part.len() == length && is_digits(part))?.parse().ok()?;
    }
    parts.next().is_none().then_some(fields)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        // date -u -d @… +%FT%T
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_790_000_000_000, "2026-09-21T14:13:20.000Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(write(millis), text);
            assert_eq!(parse(text), Some(millis), "{text}");
        }
        assert_eq!(parse("2026-09-21T14:13:20Z"), Some(1_790_000_000_000));
        assert_eq!(parse("2026-09-21T14:13:20.5Z"), Some(1_790_000_000_500));
        assert_eq!(parse("2026-09-21T14:13:20.123456789Z"), Some(1_790_000_000_123));
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "Z",
            "2026-09-21",
            "2026-09-21T14:13:20",
            "2026-09-21T14:13:20+00:00",
            "2026-09-21 14:13:20Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-1-1T0:0:0Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.٣Z",
            "2026-01-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(write(u64::MAX).starts_with("9999-12-"));
    }
}
