//! A node of one input, as operators of the typed API.

use super::args::{Args, Function};
use super::elem::{Elem, NO_EVENT};
use super::python::{elements, is_function, key, pluck, raise};
use super::raised::Raised;
use super::value::Py;
use lorry_core::ops::{
    Batch, Buffer, Delay, Flush, Latest, Partition, PartitionUnique, RateLimit, Slice, SlidingWindow, TimedWindow,
    TimedWindowUnique,
};
use lorry_core::{Result, Stream};
use std::time::Duration;

/// Why a node cannot be built.
pub(crate) enum Refusal {
    LeftOut(String),
    /// As Streamz refuses it: with an exception.
    Error(String),
}

impl From<&str> for Refusal {
    fn from(error: &str) -> Self {
        Self::Error(error.to_owned())
    }
}

pub(crate) type Built<T> = std::result::Result<T, Refusal>;

/// More than any case puts in.
const MANY: usize = 100_000;

/// A node, and what `flush` asks it with.
pub(crate) fn node(
    op: &str,
    args: &Args<'_>,
    stream: Stream<Elem>,
    raised: &Raised,
    flushes: &mut Vec<Flush>,
) -> Built<Stream<Elem>> {
    let interval = || args.time("interval", 0).and_then(|time| time.ok_or_else(|| "ValueError".into()));
    Ok(match op {
        "union" => stream,
        "map" => {
            let function = args.function("func")?;
            raised.map(stream, move |elem| {
                let result = function.call(vec![elem.value.clone()])?;
                Ok(elem.with(result))
            })
        }
        "map_async" => map_async(args, stream, raised)?,
        "starmap" => {
            let function = args.function("func")?;
            raised.map(stream, move |elem| {
                let Py::Tuple(parts) = elem.value.clone() else { return Err(raise("TypeError")) };
                Ok(elem.with(function.call(parts)?))
            })
        }
        "filter" | "remove" => {
            let wanted = op == "filter";
            let predicate = match args.get("predicate", 0) {
                None if wanted => None,
                None => Some(Function { name: String::new(), more: Vec::new() }),
                Some(_) => Some(args.function("predicate")?),
            };
            let judge = move |elem: Elem| match &predicate {
                None => Ok((elem.value.is_true() == wanted, elem)),
                Some(predicate) => Ok((predicate.call(vec![elem.value.clone()])?.is_true() == wanted, elem)),
            };
            raised.map(stream, judge).filter(|(stays, _)| *stays).map(|(_, elem)| elem)
        }
        "accumulate" | "scan" => accumulate(args, stream, raised)?,
        "slice" => slice(args, stream)?,
        "partition" => partition(args, stream, raised)?,
        "partition_unique" => {
            let size = args.needed_size("n", 0)?;
            let unique = PartitionUnique::new(size, |pair: &(Py, Elem)| pair.0.clone()).keep(args.keep(2));
            let keyed = keyed(stream, args.value("key", 1), true, raised);
            keyed.via_kind("partition_unique", unique).map(without_keys).map(Elem::tuple)
        }
        "timed_window_unique" => {
            let window = TimedWindowUnique::new(interval()?, args.keep(2), |pair: &(Py, Elem)| pair.0.clone());
            let keyed = keyed(stream, args.value("key", 1), true, raised);
            later(keyed.via_kind("timed_window_unique", window.with_empty()).map(without_keys).map(Elem::tuple))
        }
        "timed_window" => {
            let window = TimedWindow::new(interval()?).with_empty();
            later(stream.via_kind("timed_window", window).map(Elem::list))
        }
        "sliding_window" => {
            let window = SlidingWindow::new(args.needed_size("n", 0)?);
            let window = if args.flag("return_partial", 1, true) { window } else { window.full_only() };
            stream.via_kind("sliding_window", window).map(Elem::tuple)
        }
        "delay" => later(stream.via_kind("delay", Delay::new(interval()?))),
        // What waits for its turn blocks who awaits it, and nobody else.
        "rate_limit" => stream.buffer(MANY).via_kind("rate_limit", RateLimit::new(interval()?)),
        "buffer" => later(stream.via_kind("buffer", Buffer::new(args.size("n", 0)?.unwrap_or(0)))),
        "latest" => later(stream.via_kind("latest", Latest::new())),
        "flatten" | "concat" => raised.map(stream, parts).flatten(),
        "unique" => {
            let memory = args.size("maxsize", 0)?.filter(|size| *size > 0).unwrap_or(MANY);
            let hashable = args.flag("hashable", 2, true);
            // This key is called, whatever it is.
            let call = |key: Py| if is_function(&key) { key } else { Py::Text("$".to_owned()) };
            let keyed = keyed(stream, args.value("key", 1).map(call), hashable, raised);
            keyed.unique_by(memory, |pair| pair.0.clone()).map(|pair| pair.1)
        }
        "pluck" => {
            let pick = Py::from_json(args.given("pick", 0).ok_or("TypeError")?, false);
            raised.map(stream, move |elem| {
                let found = pluck(&pick, &elem.value)?;
                Ok(elem.with(found))
            })
        }
        "collect" if args.flag("cache", 0, false) => {
            return Err(Refusal::LeftOut("a collect that begins with something".to_owned()));
        }
        "collect" => {
            let (collected, flush) = stream.collect();
            flushes.push(flush);
            let raised = raised.clone();
            collected.map(move |many| Elem::tuple(many).at(raised.event()))
        }
        "frequencies" => frequencies(args, stream, raised),
        other => return Err(Refusal::LeftOut(format!("{other} is no operator of Lorry's"))),
    })
}

/// What an operator gives out of itself: no event waits for what becomes of it.
fn later(stream: Stream<Elem>) -> Stream<Elem> {
    stream.map(|elem| elem.at(NO_EVENT))
}

/// With the key of each value; one that has none, or one that cannot be a key where it must, is rejected.
fn keyed(stream: Stream<Elem>, of: Option<Py>, hashable: bool, raised: &Raised) -> Stream<(Py, Elem)> {
    raised.map(stream, move |elem| {
        let found = match &of {
            None => elem.value.clone(),
            Some(of) => key(of, &elem.value)?,
        };
        if hashable && !found.is_hashable() {
            return Err(raise("TypeError"));
        }
        Ok((found, elem))
    })
}

fn without_keys(pairs: Vec<(Py, Elem)>) -> Vec<Elem> {
    pairs.into_iter().map(|(_, elem)| elem).collect()
}

/// The elements of a value. What travels along goes with the last.
fn parts(elem: Elem) -> Result<Vec<Elem>> {
    let mut values = elements(elem.value.clone())?;
    let last = values.pop();
    let mut all: Vec<_> = values.into_iter().map(|value| Elem::new(value).at(elem.event)).collect();
    all.extend(last.map(|value| elem.with(value)));
    Ok(all)
}

/// An exception in it is logged, and nobody is told.
fn map_async(args: &Args<'_>, stream: Stream<Elem>, raised: &Raised) -> Built<Stream<Elem>> {
    if args.flag("stop_on_exception", usize::MAX, false) {
        return Err(Refusal::LeftOut("a map_async that stops by itself".to_owned()));
    }
    let (function, raised) = (args.function("func")?, raised.clone());
    let most = args.size("parallelism", usize::MAX)?.unwrap_or(1);
    Ok(later(stream.map_async(most, move |elem: Elem| {
        let result = raised.note(NO_EVENT, function.call(vec![elem.value.clone()]));
        async move { Ok(elem.with(result?)) }
    })))
}

fn accumulate(args: &Args<'_>, stream: Stream<Elem>, raised: &Raised) -> Built<Stream<Elem>> {
    let function = Function { more: Vec::new(), ..args.function("func")? };
    let start = args.given("start", 1).map(|start| Py::from_json(start, false));
    let returns_state = args.flag("returns_state", 2, false);
    let with_state = args.flag("with_state", usize::MAX, false);
    let next = move |state: &Option<Py>, value: Py| -> Result<(Py, Py)> {
        let Some(state) = state else { return Ok((value.clone(), value)) };
        let result = function.call(vec![state.clone(), value])?;
        if !returns_state {
            return Ok((result.clone(), result));
        }
        let pair = <[Py; 2]>::try_from(elements(result)?);
        pair.map(|[state, result]| (state, result)).map_err(|_| raise("ValueError"))
    };
    let raised = raised.clone();
    Ok(stream.try_scan(start, move |state: &Option<Py>, elem: Elem| {
        let (state, result) = raised.note(elem.event, next(state, elem.value.clone()))?;
        let value = if with_state { Py::Tuple(vec![state.clone(), result]) } else { result };
        Ok((Some(state), elem.with(value)))
    }))
}

fn slice(args: &Args<'_>, stream: Stream<Elem>) -> Built<Stream<Elem>> {
    let (start, end) = (args.size("start", 0)?.unwrap_or(0) as u64, args.size("end", 1)?);
    let step = args.size("step", 2)?.filter(|step| *step > 0).unwrap_or(1) as u64;
    let slice = match end {
        None => Slice::new(start..),
        Some(end) => Slice::new(start..end as u64),
    };
    Ok(stream.via_kind("slice", slice.step_by(step)))
}

fn partition(args: &Args<'_>, stream: Stream<Elem>, raised: &Raised) -> Built<Stream<Elem>> {
    let (size, timeout) = (args.needed_size("n", 0)?, args.time("timeout", 1)?);
    Ok(match args.value("key", 2) {
        None => {
            let batch = Batch::new(size);
            stream.via_kind("partition", timed(batch, timeout, Batch::timeout)).map(Elem::tuple)
        }
        key => {
            let partition = Partition::new(size, |pair: &(Py, Elem)| pair.0.clone());
            let partition = timed(partition, timeout, Partition::timeout);
            keyed(stream, key, true, raised).via_kind("partition", partition).map(without_keys).map(Elem::tuple)
        }
    })
}

fn timed<Op>(op: Op, timeout: Option<Duration>, with: fn(Op, Duration) -> Op) -> Op {
    match timeout {
        None => op,
        Some(timeout) => with(op, timeout),
    }
}

/// The counts, in place of each value; what travels along with the value goes along with them.
fn frequencies(args: &Args<'_>, stream: Stream<Elem>, raised: &Raised) -> Stream<Elem> {
    let with_state = args.flag("with_state", usize::MAX, false);
    let (values, stream) = keyed(stream, None, true, raised).tee();
    values.map(|(value, _)| value).frequencies(MANY).zip(stream).map(move |(counts, (_, elem))| {
        let mut counts: Vec<_> = counts.into_iter().map(|(value, n)| (value, Py::Int(n.into()))).collect();
        counts.sort_by_key(|(value, _)| value.to_json().to_string());
        let counts = Py::Dict(counts);
        elem.with(if with_state { Py::Tuple(vec![counts.clone(), counts]) } else { counts })
    })
}
