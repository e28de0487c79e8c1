//! Values into SQLite's five storage classes.

use super::dialect::Affinity;
use crate::cells::Value;
use crate::kinds::float_of;
use lorry_core::{Error, ErrorKind, Timestamp};
use rusqlite::Statement;
use rusqlite::types::Null;

/// Why a value was not bound.
pub(crate) enum Unbound {
    /// The value does not fit the column.
    Unfit(Error),
    /// SQLite's own.
    Sqlite(rusqlite::Error),
}

/// Binds a value for a column of this affinity to a parameter, counted from 1.
///
/// SQLite takes anything anywhere, and bends it to the column's affinity. Where that would lose digits without a word, the value is
/// refused here.
pub(crate) fn bind(
    to: &mut Statement<'_>,
    parameter: usize,
    value: Value<'_>,
    affinity: Affinity,
) -> Result<(), Unbound> {
    let bound = match value {
        Value::Null => to.raw_bind_parameter(parameter, Null),
        Value::Bool(value) if affinity == Affinity::Text => {
            to.raw_bind_parameter(parameter, if value { "true" } else { "false" })
        }
        Value::Bool(value) => to.raw_bind_parameter(parameter, value),
        Value::Int(_) | Value::Uint(_) | Value::Big(_) if affinity == Affinity::Real => match float_of(&value) {
            Some(float) => to.raw_bind_parameter(parameter, float),
            None => return Err(loses_digits(value)),
        },
        Value::Int(value) => to.raw_bind_parameter(parameter, value),
        Value::Uint(value) if matches!(affinity, Affinity::Text | Affinity::Blob) => {
            to.raw_bind_parameter(parameter, value.to_string())
        }
        Value::Big(digits) if matches!(affinity, Affinity::Text | Affinity::Blob) => {
            to.raw_bind_parameter(parameter, digits)
        }
        Value::Uint(_) | Value::Big(_) => return Err(loses_digits(value)),
        // SQLite itself would write fifteen digits.
        Value::Float(value) if affinity == Affinity::Text => to.raw_bind_parameter(parameter, format!("{value:?}")),
        Value::Float(value) => to.raw_bind_parameter(parameter, value),
        Value::Time(nanos) => to.raw_bind_parameter(parameter, timestamp(Timestamp::from_nanos(nanos))),
        Value::Text(text) | Value::Json(text) => to.raw_bind_parameter(parameter, text),
        Value::Bytes(bytes) => to.raw_bind_parameter(parameter, bytes),
    };
    bound.map_err(Unbound::Sqlite)
}

fn loses_digits(value: Value<'_>) -> Unbound {
    let shown = match value {
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Big(digits) if digits.len() > 80 => format!("an integer of {} digits", digits.len()),
        Value::Big(digits) => digits.to_owned(),
        _ => "an integer".to_owned(),
    };
    Unbound::Unfit(
        Error::data(ErrorKind::Constraint, "insert rows", format!("{shown} would lose digits"))
            .hint("give the table a TEXT column for it"),
    )
}

/// `2024-01-02 03:04:05.678901`, UTC: the form of SQLite's own functions and of SQLAlchemy; nine digits where there are nanoseconds.
pub(crate) fn timestamp(time: Timestamp) -> String {
    const DAY: i64 = 86_400;
    let (seconds, nanos) = (time.nanos().div_euclid(1_000_000_000), time.nanos().rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Days since 0000-03-01, in eras of 400 years: then leap days fall on the ends of years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let fraction = if nanos % 1_000 == 0 { format!("{:06}", nanos / 1_000) } else { format!("{nanos:09}") };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_as_text() {
        assert_eq!(timestamp(Timestamp::from_nanos(0)), "1970-01-01 00:00:00.000000");
        assert_eq!(timestamp(Timestamp::from_nanos(1_704_164_645_678_901_000)), "2024-01-02 03:04:05.678901");
        assert_eq!(timestamp(Timestamp::from_nanos(-1)), "1969-12-31 23:59:59.999999999");
    }

    proptest! {
        /// SQLite's own calendar is the reference.
        #[test]
        fn the_calendar_is_sqlites(seconds in -9_000_000_000i64..9_000_000_000) {
            let connection = rusqlite::Connection::open_in_memory().unwrap();
            let theirs: String = connection
                .query_row("SELECT strftime('%Y-%m-%d %H:%M:%S', ?1, 'unixepoch')", [seconds], |row| row.get(0))
                .unwrap();
            let ours = timestamp(Timestamp::from_nanos(seconds * 1_000_000_000));
            prop_assert_eq!(ours.strip_suffix(".000000").unwrap(), theirs);
        }
    }
}
