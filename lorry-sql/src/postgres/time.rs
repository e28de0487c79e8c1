//! Times, as PostgreSQL counts them and as text.

use std::fmt::Write;

/// Microseconds between 1970 and 2000, where PostgreSQL begins.
const EPOCH: i64 = 946_684_800_000_000;
/// What PostgreSQL can store lies between 4714 BC and 294276; 1 and 9999 are what text can tell.
const YEARS: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// Microseconds since 1970 as PostgreSQL sends them.
pub(super) fn wire(micros: i64) -> i64 {
    micros.saturating_sub(EPOCH)
}

/// The microseconds since 1970 that a number means: seconds, milliseconds, microseconds or nanoseconds by its size, as of 1973 to
/// 5138 they cannot be taken for each other. `None` beyond the years 1 to 9999.
pub(super) fn from_number(number: f64) -> Option<i64> {
    let micros = match number.abs() {
        seconds if seconds < 1e11 => number * 1e6,
        millis if millis < 1e14 => number * 1e3,
        micros if micros < 1e17 => number,
        nanos if nanos.is_finite() => number / 1e3,
        _ => return None,
    };
    let micros = micros.round() as i64;
    YEARS.contains(&micros).then_some(micros)
}

/// As [`from_number`], without rounding.
pub(super) fn from_integer(number: i64) -> Option<i64> {
    let micros = match number.unsigned_abs() {
        seconds if seconds < 100_000_000_000 => number.checked_mul(1_000_000)?,
        millis if millis < 100_000_000_000_000 => number.checked_mul(1_000)?,
        micros if micros < 100_000_000_000_000_000 => number,
        _ => number.div_euclid(1_000),
    };
    YEARS.contains(&micros).then_some(micros)
}

/// Microseconds since 1970 in ISO 8601: `2024-01-02T03:04:05.678901Z`.
pub(super) fn write(micros: i64, to: &mut String) {
    let (days, in_day) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let (year, month, day) = civil(days);
    let (seconds, fraction) = (in_day / 1_000_000, in_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    // Writing to a string cannot fail.
    let _ = write!(to, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        let _ = write!(to, ".{fraction:06}");
    }
    to.push('Z');
}

/// The date of a day counted from 1970, by Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(micros: i64) -> String {
        let mut text = String::new();
        write(micros, &mut text);
        text
    }

    #[test]
    fn as_text() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1_704_164_645_678_901), "2024-01-02T03:04:05.678901Z");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(iso(951_782_400_000_000), "2000-02-29T00:00:00Z");
        assert_eq!(iso(YEARS.start), "0001-01-01T00:00:00Z");
        assert_eq!(iso(YEARS.end - 1), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn numbers_by_their_size() {
        let at = Some(1_704_164_645_000_000);
        assert_eq!(from_integer(1_704_164_645), at);
        assert_eq!(from_integer(1_704_164_645_000), at);
        assert_eq!(from_integer(1_704_164_645_000_000), at);
        assert_eq!(from_integer(1_704_164_645_000_000_999), at);
        assert_eq!(from_number(1_704_164_645.5), Some(1_704_164_645_500_000));
        assert_eq!(from_number(1_704_164_645_678.9), Some(1_704_164_645_678_900));
        assert_eq!(from_number(f64::NAN), None);
        assert_eq!(from_integer(-99_999_999_999), None);
    }
}
