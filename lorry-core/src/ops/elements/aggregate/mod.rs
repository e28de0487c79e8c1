//! `aggregate`: numbers about many messages.

mod function;
mod number;
mod row;
mod running;
#[cfg(test)]
mod tests;

use super::key::Key;
use super::moment::{EventTime, EventTimeOptions, Late, Moment, Unit};
use super::path::Path;
use super::{Adapted, Made, at_least_one, element, some_time};
use crate::flow::{Item, Output};
use crate::ops::aggregate::{Aggregate, AggregateEach, By, Every, EwMean, Following, Over};
use crate::ops::{TumblingWindow, Window};
use crate::registry::{Registry, Span};
use crate::{Error, Message, Result};
use function::{Function, Needs, Settings};
use row::{Agreed, Reader, Row, Table, Writer};
use running::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// When results go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Emit {
    /// Once for each window.
    Window,
    /// With each message.
    Running,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct AggregateOptions {
    /// What is computed: `count`, `sum`, `mean`, `min`, `max`, `var`, `std`, `ewm-mean`, `median`, a percentile such as `p99` (these two
    /// within 1 %, of values up to 17 orders of magnitude apart), `first`, `last`, `value-counts`. Sums of whole numbers are exact up to
    /// 64 bits, and floats beyond. Several (`mean,max`, or repeated) make an object.
    op: Vec<String>,
    /// Of which part of the payload: `.temperature`, `main.temp`, `readings[0]`. Default: the payload itself.
    value: Option<String>,
    /// For each group by itself: a part of the payload (`device`, `main.id`), or a template (`{{ topic }}`). Results are objects with the
    /// key and what was computed.
    by: Option<String>,
    /// Over so many messages, of all groups together.
    n: Option<usize>,
    /// Over an interval: of the clock, or of the time in the data if `time` says where that is. Default, without `n` too: the whole stream.
    interval: Option<Span>,
    /// When results go out: `window`, once for each window; `running`, with each message over the last `n`, the last `interval`, or all
    /// so far. Default: `window` with `n` or `interval`, else `running`.
    emit: Option<Emit>,
    /// Where the time in the data is: a part of the payload (`.at`), as a number since 1970 or a text as in RFC 3339; or `$timestamp`, the
    /// message's own.
    time: Option<String>,
    /// What a number in the payload counts: `s`, `ms`, `us` or `ns`. Default: `s`.
    time_unit: Option<Unit>,
    /// With `time`: how much later than its successors a message may come. Default: not at all.
    lateness: Option<Span>,
    /// With `time`: what becomes of a message whose window has been given out, `filter` or `reject`. Default: `filter`.
    late: Option<Late>,
    /// With `time`: all windows are given out when nothing has come for so long. Default: they wait for later messages.
    idle: Option<Span>,
    /// For `var` and `std`: by how much the degrees of freedom are fewer than the values. Default: 1.
    ddof: Option<u64>,
    /// For `ewm-mean`: the weight of the newest value, more than 0, up to 1.
    alpha: Option<f64>,
    /// For `ewm-mean`: alpha = 2 / (span + 1).
    span: Option<f64>,
    /// For `ewm-mean`: alpha = 1 / (com + 1).
    com: Option<f64>,
    /// For `ewm-mean`: after how many values a weight is half of what it was.
    half_life: Option<f64>,
    /// How many messages are held, or remembered, at most. Default: 65,536; of the whole stream with `emit=window` 16,777,216.
    max_items: Option<usize>,
    /// How many groups there may be; a message that would begin one more is rejected.
    max_groups: usize,
    /// How many different values `value-counts` counts; the one not seen for longest is forgotten first.
    max_values: usize,
}

impl Default for AggregateOptions {
    fn default() -> Self {
        Self {
            op: Vec::new(),
            value: None,
            by: None,
            n: None,
            interval: None,
            emit: None,
            time: None,
            time_unit: None,
            lateness: None,
            late: None,
            idle: None,
            ddof: None,
            alpha: None,
            span: None,
            com: None,
            half_life: None,
            max_items: None,
            max_groups: 10_000,
            max_values: 1_000,
        }
    }
}

const NAME: &str = "aggregate";

pub(super) fn register(registry: &mut Registry) {
    registry.add(element(NAME, "numbers about many messages: mean, max, p99 …, by group and window", make));
}

/// What a result tells of.
enum Extent {
    Whole,
    Items(usize),
    Interval(Duration),
}

fn make(options: AggregateOptions) -> Made {
    let over = match (options.n, options.interval) {
        (Some(_), Some(_)) => return Err(Error::usage("aggregate takes n= or interval=, not both")),
        (Some(n), None) => Extent::Items(at_least_one(n, NAME, "n")?),
        (None, Some(interval)) => Extent::Interval(some_time(interval, NAME, "interval")?),
        (None, None) => Extent::Whole,
    };
    let default = if matches!(over, Extent::Whole) { Emit::Running } else { Emit::Window };
    let emit = options.emit.unwrap_or(default);
    let max_items = options.max_items.map(|most| at_least_one(most, NAME, "max-items")).transpose()?;
    let max_groups = at_least_one(options.max_groups, NAME, "max-groups")?;
    let moment = moment(&options, &over)?;
    let event_time = event_time(&options, emit, moment.is_some())?;
    let (names, fresh) = functions(&options)?;
    let by = options.by.as_deref().map(|by| Key::new("by", Some(by))).transpose()?;
    let value = options.value.as_deref().map(|value| Path::parse("value", value)).transpose()?;
    let needs = fresh.iter().map(Function::needs).max().unwrap_or(Needs::Nothing);
    let group = by.as_ref().map(|by| group_name(by, &names));
    let reader = Reader { value, by, moment, needs };
    let writer = Writer { names, group, fresh: fresh.clone() };
    if emit == Emit::Running {
        let over = match over {
            Extent::Whole => Over::all(),
            Extent::Items(n) => Over::last(n),
            Extent::Interval(interval) => match max_items {
                None => Over::last_for(interval, |row: &Row| row.time),
                Some(most) => Over::last_for(interval, |row: &Row| row.time).max_items(most),
            },
        };
        let following = Following::new(over, table(max_groups, fresh));
        return Ok(Box::new(Running { reader, writer, following, start: None }));
    }
    let table = table(max_groups, (Agreed::default(), fresh));
    let every = match (over, event_time) {
        (Extent::Interval(interval), Some(event_time)) => {
            return Ok(by_event_time(interval, event_time, table, reader, writer));
        }
        (Extent::Interval(interval), None) => Every::interval(interval),
        (Extent::Items(n), _) => Every::items(n),
        (Extent::Whole, _) => Every::whole(),
    };
    let every = max_items.map_or(every, |most| every.max_items(most));
    let write = move |item: Item<_>, out: &mut Output<'_, Message>| {
        writer.window(item.value, None, item.token, |message, token| out.emit(message, token));
    };
    Ok(Box::new(Adapted::new(AggregateEach::new(every, table), move |message| reader.read(message), write)))
}

fn table<A: Aggregate<Row>>(max_groups: usize, of_each: A) -> Table<A> {
    let key: fn(&Row) -> serde_json::Value = row::key;
    let by: Table<A> = By::new(key, of_each);
    by.max_groups(max_groups)
}

/// Windows by the time in the data, for which the rows are held.
fn by_event_time(
    interval: Duration,
    event_time: EventTime,
    table: Table<(Agreed, Vec<Function>)>,
    reader: Reader,
    writer: Writer,
) -> Box<dyn crate::flow::Operator<Message>> {
    let EventTime { lateness, reject_late, idle, max_items, .. } = event_time;
    let mut windows = TumblingWindow::new(interval, |row: &Row| row.time).lateness(lateness).max_items(max_items);
    if reject_late {
        windows = windows.reject_late();
    }
    if let Some(idle) = idle {
        windows = windows.idle(idle);
    }
    let write = move |item: Item<Window<Row>>, out: &mut Output<'_, Message>| {
        let known = table.of_all(&item.value.items);
        writer.window(known, Some(item.value.start), item.token, |message, token| out.emit(message, token));
    };
    Box::new(Adapted::new(windows, move |message| reader.read(message), write))
}

fn goes_with(option: &str, what: &str) -> Error {
    Error::usage(format!("option {option:?} of aggregate goes with {what}"))
}

fn moment(options: &AggregateOptions, over: &Extent) -> Result<Option<Moment>> {
    let Some(time) = &options.time else {
        return match options.time_unit {
            Some(_) => Err(goes_with("time-unit", "time=")),
            None => Ok(None),
        };
    };
    match over {
        Extent::Interval(_) => Moment::new(time, options.time_unit.unwrap_or_default()).map(Some),
        Extent::Whole | Extent::Items(_) => Err(goes_with("time", "interval=")),
    }
}

/// What windows by the time in the data need, where there are some.
fn event_time(options: &AggregateOptions, emit: Emit, has_time: bool) -> Result<Option<EventTime>> {
    let given =
        [("lateness", options.lateness.is_some()), ("late", options.late.is_some()), ("idle", options.idle.is_some())];
    let (Emit::Window, true) = (emit, has_time) else {
        return match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(goes_with(option, "time=, interval= and emit=window")),
            None => Ok(None),
        };
    };
    let own = EventTimeOptions::default().check(NAME)?;
    Ok(Some(EventTime {
        lateness: options.lateness.unwrap_or_default().0,
        reject_late: options.late == Some(Late::Reject),
        idle: options.idle.map(|idle| some_time(idle, NAME, "idle")).transpose()?,
        max_items: options.max_items.unwrap_or(own.max_items),
        ..own
    }))
}

fn functions(options: &AggregateOptions) -> Result<(Arc<[String]>, Vec<Function>)> {
    let names: Vec<String> =
        options.op.iter().flat_map(|names| names.split(',')).map(|name| name.trim().to_owned()).collect();
    if names.iter().all(String::is_empty) {
        return Err(Error::usage("aggregate needs op=, such as op=mean or op=count,max"));
    }
    if let Some((place, name)) = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        return Err(Error::usage(format!(
            "option \"op\" of aggregate: {name:?} is given twice (number {})",
            place + 1
        )));
    }
    let is_asked = |any: &[&str]| names.iter().any(|name| any.contains(&name.as_str()));
    let ewm = ewm(options)?;
    if ewm.is_some() && !is_asked(&["ewm-mean"]) {
        return Err(Error::usage("alpha=, span=, com= and half-life= of aggregate go with op=ewm-mean"));
    }
    if options.ddof.is_some() && !is_asked(&["var", "std"]) {
        return Err(goes_with("ddof", "op=var and op=std"));
    }
    let max_values = at_least_one(options.max_values, NAME, "max-values")?;
    let settings = Settings { ddof: options.ddof.unwrap_or(1), ewm, max_values };
    let functions = names.iter().map(|name| Function::new(name, &settings)).collect::<Result<_>>()?;
    Ok((names.into(), functions))
}

fn ewm(options: &AggregateOptions) -> Result<Option<EwMean>> {
    type Made = fn(f64) -> EwMean;
    type Fits = fn(f64) -> bool;
    type Way = (&'static str, Option<f64>, Made, Fits, &'static str);
    let ways: [Way; 4] = [
        ("alpha", options.alpha, EwMean::alpha, |x| x > 0.0 && x <= 1.0, "more than 0, and at most 1"),
        ("span", options.span, EwMean::span, |x| x >= 1.0, "at least 1"),
        ("com", options.com, EwMean::com, |x| x >= 0.0, "at least 0"),
        ("half-life", options.half_life, EwMean::half_life, |x| x > 0.0, "more than 0"),
    ];
    let mut given =
        ways.into_iter().filter_map(|(name, value, make, fits, rule)| Some((name, value?, make, fits, rule)));
    let Some((name, value, make, fits, rule)) = given.next() else { return Ok(None) };
    if let Some((other, ..)) = given.next() {
        return Err(Error::usage(format!("aggregate takes one of {name}= and {other}=, not both")));
    }
    match value.is_finite() && fits(value) {
        true => Ok(Some(make(value))),
        false => Err(Error::usage(format!("option {name:?} of aggregate must be {rule}"))),
    }
}

/// What the member with the key is called: as in the payload, unless a result is called so.
fn group_name(by: &Key, names: &[String]) -> Arc<str> {
    let own = match by {
        Key::Part(path) => path.name(),
        Key::Payload | Key::Template(_) => None,
    };
    own.filter(|own| names.iter().all(|name| name != own)).unwrap_or("key").into()
}
