//! The time in the data: the option `time`, and what windows that go by it share.

use super::path::Path;
use super::{at_least_one, malformed, some_time};
use crate::registry::Span;
use crate::{Error, Message, Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::time::Duration;

/// What a number counts, since the beginning of 1970.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unit {
    #[default]
    S,
    Ms,
    Us,
    Ns,
}

/// What becomes of a message whose window has been given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Late {
    /// It counts as filtered.
    #[default]
    Filter,
    /// It is rejected.
    Reject,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct EventTimeOptions {
    /// Where the time is: a part of the payload (`.at`), as a number since 1970 or a text as in RFC 3339; or `$timestamp`, the message's
    /// own.
    time: String,
    /// What a number in the payload counts: `s`, `ms`, `us` or `ns`.
    time_unit: Unit,
    /// How much later than its successors a message may come.
    lateness: Span,
    /// What becomes of a message whose window has been given out: `filter`, it is left out; `reject`, it is treated as one that cannot be
    /// delivered.
    late: Late,
    /// All windows are given out when nothing has come for so long. Default: they wait for later messages, or the end of the stream.
    idle: Option<Span>,
    /// How many messages all open windows may have; with one more the oldest window goes out.
    max_items: usize,
}

impl Default for EventTimeOptions {
    fn default() -> Self {
        Self {
            time: OWN.to_owned(),
            time_unit: Unit::S,
            lateness: Span::default(),
            late: Late::Filter,
            idle: None,
            max_items: 65_536,
        }
    }
}

/// What windows by the time in the data are made with.
pub(super) struct EventTime {
    pub(super) moment: Moment,
    pub(super) lateness: Duration,
    pub(super) reject_late: bool,
    pub(super) idle: Option<Duration>,
    pub(super) max_items: usize,
}

impl EventTimeOptions {
    pub(super) fn check(self, element: &str) -> Result<EventTime> {
        Ok(EventTime {
            moment: Moment::new(&self.time, self.time_unit)?,
            lateness: self.lateness.0,
            reject_late: self.late == Late::Reject,
            idle: self.idle.map(|idle| some_time(idle, element, "idle")).transpose()?,
            max_items: at_least_one(self.max_items, element, "max-items")?,
        })
    }
}

const OWN: &str = "$timestamp";

/// Where the time of a message is.
#[derive(Clone, Debug)]
pub(super) enum Moment {
    Own,
    Part(Path, Unit),
}

impl Moment {
    pub(super) fn new(text: &str, unit: Unit) -> Result<Self> {
        match text {
            OWN => Ok(Self::Own),
            text if text.contains("{{") => Err(Error::usage(format!("option \"time\": {text:?} is a template"))
                .hint(format!("write a part of the payload, such as .at, or {OWN}"))),
            text => Path::parse("time", text).map(|path| Self::Part(path, unit)),
        }
    }

    /// Whether it is in the payload.
    pub(super) fn is_part(&self) -> bool {
        matches!(self, Self::Part(..))
    }

    /// The time, given the payload as JSON.
    pub(super) fn of(&self, operation: &'static str, message: &Message, payload: &Value) -> Result<Timestamp> {
        match self {
            Self::Own => message.timestamp.ok_or_else(|| {
                malformed(
                    operation,
                    "the message has no time of its own; say with time= where one is in the payload",
                    message,
                )
            }),
            Self::Part(path, unit) => {
                let value = path
                    .of(payload)
                    .ok_or_else(|| malformed(operation, "there is no such time in the payload", message))?;
                let time = match value {
                    Value::Number(number) => number_of(number, *unit),
                    Value::String(text) => rfc_3339(text),
                    _ => None,
                };
                time.ok_or_else(|| malformed(operation, format!("{} is no time", shortened(value)), message))
            }
        }
    }
}

/// A value for an error message.
pub(super) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn number_of(number: &Number, unit: Unit) -> Option<Timestamp> {
    let factor: i64 = match unit {
        Unit::S => 1_000_000_000,
        Unit::Ms => 1_000_000,
        Unit::Us => 1_000,
        Unit::Ns => 1,
    };
    let nanos = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => i128::from(whole) * i128::from(factor),
        // A cast saturates, beyond what fits below.
        (None, Some(float)) => (float * factor as f64).round() as i128,
        (None, None) => return None,
    };
    i64::try_from(nanos).ok().map(Timestamp::from_nanos)
}

/// `2024-02-29T12:30:00.5+01:00`; also with a space for the `T`, and without an offset as UTC.
fn rfc_3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, digits: usize| -> Option<i64> {
        let part = bytes.get(from..from + digits).filter(|part| part.iter().all(u8::is_ascii_digit))?;
        std::str::from_utf8(part).ok()?.parse().ok()
    };
    let is = |place: usize, any: &[u8]| bytes.get(place).is_some_and(|byte| any.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    // A leap second is the one before it, as in POSIX time.
    if !(1..=days_of_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut nanos = 0;
    if is(at, b".,") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let kept = digits.min(9);
        nanos = number(at + 1, kept).filter(|_| digits > 0)? * 10_i64.pow(9 - u32::try_from(kept).ok()?);
        at += 1 + digits;
    }
    let offset = match &bytes[at..] {
        b"" | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    // Years that begin in March, so that a leap day is the last of one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second.min(59) - offset;
    i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).ok().map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn times_as_numbers_and_as_text() {
        let of = |unit, value: Value| {
            let moment = Moment::new(".at", unit).unwrap();
            moment.of("window", &Message::new(""), &json!({ "at": value })).map(Timestamp::nanos).ok()
        };
        for (unit, value, expected) in [
            (Unit::S, json!(1), Some(1_000_000_000)),
            (Unit::S, json!(1.5), Some(1_500_000_000)),
            (Unit::Ms, json!(-1), Some(-1_000_000)),
            (Unit::Us, json!(7), Some(7_000)),
            (Unit::Ns, json!(i64::MAX), Some(i64::MAX)),
            (Unit::Ns, json!(u64::MAX), None),
            (Unit::S, json!(1e300), None),
            (Unit::S, json!("1970-01-01T00:00:01Z"), Some(1_000_000_000)),
            (Unit::Ms, json!("1970-01-01 01:00:00.5+01:00"), Some(500_000_000)),
            (Unit::S, json!("1969-12-31T23:59:59.999999999999"), Some(-1)),
            (Unit::S, json!("2016-12-31T23:59:60Z"), Some(1_483_228_799_000_000_000)),
            (Unit::S, json!("2024-02-30T00:00:00Z"), None),
            (Unit::S, json!("2023-02-29T00:00:00Z"), None),
            (Unit::S, json!("2024-02-01T24:00:00Z"), None),
            (Unit::S, json!("9999-02-01T00:00:00Z"), None),
            (Unit::S, json!("2024-02-01T00:00:00."), None),
            (Unit::S, json!("2024-02-01T00:00:00+1"), None),
            (Unit::S, json!("2024-02-01"), None),
            (Unit::S, json!("２０24-02-01T00:00:00Z"), None),
            (Unit::S, json!(null), None),
            (Unit::S, json!([1]), None),
        ] {
            assert_eq!(of(unit, value.clone()), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(nanos in any::<i64>()) {
            let time = Timestamp::from_nanos(nanos);
            prop_assert_eq!(rfc_3339(&time.to_string()), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[0-9T:.Z+ -]{0,32}|\\PC{0,24}") {
            rfc_3339(&text);
        }
    }
}
