//! A node of a case, as operators of the typed API.

use super::Elem;
use super::python::{call, canonical, elements, key, raise, truthy};
use lorry_core::flow::Operator;
use lorry_core::ops::{
    Batch, Buffer, CombineLatestAll, Delay, Flush, Keep, Latest, Partition, PartitionUnique, RateLimit, Slice,
    SlidingWindow, TimedWindow, TimedWindowUnique, ZipAll, ZipLatestAll,
};
use lorry_core::{Result, Stream};
use serde_json::{Value, json};
use std::collections::HashMap;
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

type Built<T> = std::result::Result<T, Refusal>;

/// What goes into a node.
pub(crate) enum In {
    Stream(Stream<Elem>),
    Literal(Value),
}

/// The arguments of a node, by name or by place.
pub(crate) struct Args<'a>(pub(crate) &'a Value);

impl<'a> Args<'a> {
    /// None if it is not there, or null.
    fn get(&self, name: &str, place: usize) -> Option<&'a Value> {
        self.0.get(name).or_else(|| self.0.get("_pos")?.get(place)).filter(|value| !value.is_null())
    }

    fn size(&self, name: &str, place: usize) -> Built<Option<usize>> {
        let size = |value: &Value| value.as_u64().map(|n| n as usize).ok_or_else(|| Refusal::from("ValueError"));
        self.get(name, place).map(size).transpose()
    }

    fn needed_size(&self, name: &str, place: usize) -> Built<usize> {
        self.size(name, place)?.filter(|size| *size > 0).ok_or_else(|| "ValueError".into())
    }

    fn flag(&self, name: &str, place: usize, default: bool) -> bool {
        self.get(name, place).map_or(default, truthy)
    }

    /// Seconds, or a text such as `10ms`.
    fn time(&self, name: &str, place: usize) -> Built<Option<Duration>> {
        self.get(name, place).map(|value| time(value).ok_or_else(|| "ValueError".into())).transpose()
    }

    fn function(&self, name: &str) -> Built<String> {
        match self.get(name, 0) {
            Some(Value::String(function)) if function.starts_with('$') => Ok(function.clone()),
            _ => Err("TypeError".into()),
        }
    }

    fn keep(&self, place: usize) -> Built<Keep> {
        match self.get("keep", place).map(|keep| keep.as_str()) {
            None | Some(Some("first")) => Ok(Keep::First),
            Some(Some("last")) => Ok(Keep::Last),
            _ => Err("ValueError".into()),
        }
    }
}

pub(crate) fn time(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => {
            let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let (number, unit) = text.split_at(digits);
            let unit = match unit.trim() {
                "us" => 1e-6,
                "ms" => 1e-3,
                "s" | "" => 1.0,
                "min" | "m" => 60.0,
                "h" => 3_600.0,
                _ => return None,
            };
            number.parse::<f64>().ok()? * unit
        }
        other => other.as_f64()?,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// A node, and what `flush` asks it with. `ins` are in the order of the case; `names` are their names.
pub(crate) fn node(
    op: &str,
    args: &Args<'_>,
    ins: Vec<In>,
    names: &[String],
    flushes: &mut Vec<Flush>,
) -> Built<Stream<Elem>> {
    match op {
        "zip" | "combine_latest" | "zip_latest" => join(op, args, ins, names),
        _ => {
            let streams = ins.into_iter().map(|input| match input {
                In::Stream(stream) => Ok(stream),
                In::Literal(_) => Err(Refusal::from("TypeError")),
            });
            let mut streams = streams.collect::<Built<Vec<_>>>()?;
            let one = match streams.len() {
                1 => streams.remove(0),
                _ => Stream::union_all(streams),
            };
            if op == "union" { Ok(one) } else { single(op, args, one, flushes) }
        }
    }
}

fn join(op: &str, args: &Args<'_>, ins: Vec<In>, names: &[String]) -> Built<Stream<Elem>> {
    let mut streams = Vec::new();
    let mut literals = Vec::new();
    for (place, input) in ins.into_iter().enumerate() {
        match input {
            In::Stream(stream) => streams.push(stream),
            In::Literal(value) if op == "zip" => literals.push((place, value)),
            In::Literal(_) => return Err("TypeError".into()),
        }
    }
    let joined = match op {
        "zip" => {
            let mut zip = ZipAll::new(streams.len()).ahead(args.size("maxsize", usize::MAX)?.unwrap_or(10));
            for (place, value) in literals {
                zip = zip.literal(place, Elem::new(value));
            }
            Stream::join_all(streams, "zip", zip)
        }
        "combine_latest" => {
            let place = |of: &Value| match of {
                Value::String(name) => names.iter().position(|other| name.strip_prefix('@') == Some(other)),
                index => index.as_u64().map(|index| index as usize).filter(|index| *index < names.len()),
            };
            let emit_on = match args.get("emit_on", usize::MAX) {
                None => Vec::new(),
                Some(Value::Array(several)) => several.iter().map(place).collect::<Option<_>>().ok_or("ValueError")?,
                Some(one) => vec![place(one).ok_or("ValueError")?],
            };
            let op = CombineLatestAll::new(streams.len()).emit_on(emit_on);
            Stream::join_all(streams, "combine_latest", op)
        }
        _ => {
            let op = ZipLatestAll::new(streams.len());
            Stream::join_all(streams, "zip_latest", op)
        }
    };
    Ok(joined.map(Elem::gather))
}

fn single(op: &str, args: &Args<'_>, stream: Stream<Elem>, flushes: &mut Vec<Flush>) -> Built<Stream<Elem>> {
    let interval = || args.time("interval", 0).and_then(|time| time.ok_or_else(|| "ValueError".into()));
    Ok(match op {
        "map" => {
            let function = args.function("func")?;
            stream.try_map(move |elem| Ok(elem.clone().with(call(&function, &[elem.value])?)))
        }
        "map_async" => {
            let function = args.function("func")?;
            let most = args.size("parallelism", 1)?.unwrap_or(1);
            stream.map_async(most, move |elem: Elem| {
                let result = call(&function, std::slice::from_ref(&elem.value));
                async move { Ok(elem.with(result?)) }
            })
        }
        "starmap" => {
            let function = args.function("func")?;
            stream.try_map(move |elem| {
                let parts = elements(elem.value.clone())?;
                Ok(elem.with(call(&function, &parts)?))
            })
        }
        "filter" | "remove" => {
            let predicate = args.get("predicate", 0).cloned();
            let wanted = op == "filter";
            let judge = move |elem: Elem| match &predicate {
                None => Ok((truthy(&elem.value) == wanted, elem)),
                Some(function) => Ok((truthy(&key(function, &elem.value)?) == wanted, elem)),
            };
            stream.try_map(judge).filter(|(stays, _)| *stays).map(|(_, elem)| elem)
        }
        "accumulate" | "scan" => accumulate(args, stream)?,
        "slice" => slice(args, stream)?,
        "partition" => {
            let size = args.needed_size("n", 0)?;
            let timeout = args.time("timeout", 1)?;
            match args.get("key", 2) {
                None => {
                    let batch = Batch::new(size);
                    gather(
                        stream,
                        match timeout {
                            None => batch,
                            Some(timeout) => batch.timeout(timeout),
                        },
                    )
                }
                Some(of) => {
                    let partition = Partition::new(size, |pair: &(Value, Elem)| pair.0.clone());
                    gather_keyed(
                        keyed(stream, Some(of)),
                        match timeout {
                            None => partition,
                            Some(timeout) => partition.timeout(timeout),
                        },
                    )
                }
            }
        }
        "partition_unique" => {
            let keyed = keyed(stream, args.get("key", 1));
            let size = args.needed_size("n", 0)?;
            let op = PartitionUnique::new(size, |pair: &(Value, Elem)| pair.0.clone()).keep(args.keep(2)?);
            gather_keyed(keyed, op)
        }
        "timed_window_unique" => {
            let keyed = keyed(stream, args.get("key", 1));
            let op = TimedWindowUnique::new(interval()?, args.keep(2)?, |pair: &(Value, Elem)| pair.0.clone());
            gather_keyed(keyed, op)
        }
        "sliding_window" => {
            let window = SlidingWindow::new(args.needed_size("n", 0)?);
            gather(stream, if args.flag("return_partial", 1, true) { window } else { window.full_only() })
        }
        "timed_window" => gather(stream, TimedWindow::new(interval()?)),
        "delay" => stream.via_kind("delay", Delay::new(interval()?)),
        "rate_limit" => stream.via_kind("rate_limit", RateLimit::new(interval()?)),
        "buffer" => stream.via_kind("buffer", Buffer::new(args.size("n", 0)?.unwrap_or(0))),
        "latest" => stream.via_kind("latest", Latest::new()),
        "flatten" | "concat" => stream
            .try_map(|elem| {
                let mut all: Vec<_> = elements(elem.value)?.into_iter().map(Elem::new).collect();
                if let Some(last) = all.last_mut() {
                    last.meta = elem.meta;
                }
                Ok(all)
            })
            .flatten(),
        "unique" => {
            let memory = args.size("maxsize", 0)?.unwrap_or(1_000_000);
            keyed(stream, args.get("key", 1)).unique_by(memory, |pair| pair.0.clone()).map(|pair| pair.1)
        }
        "pluck" => {
            let part = args.get("pick", 0).ok_or("TypeError")?.clone();
            stream.try_map(move |elem| {
                let found = key(&part, &elem.value)?;
                Ok(elem.with(found))
            })
        }
        "collect" => {
            let (collected, flush) = stream.collect();
            flushes.push(flush);
            collected.map(Elem::gather)
        }
        "frequencies" => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let object =
                move |counts: HashMap<Value, u64>| counts.iter().map(|(value, n)| (text(value), json!(n))).collect();
            stream
                .map(|elem| elem.value)
                .frequencies(1_000_000)
                .map(move |counts| Elem::new(Value::Object(object(counts))))
        }
        other => return Err(Refusal::LeftOut(format!("{other} is no operator of Lorry's"))),
    })
}

fn gather(stream: Stream<Elem>, op: impl Operator<Elem, Vec<Elem>> + 'static) -> Stream<Elem> {
    stream.via(op).map(Elem::gather)
}

/// With the key of each value; one for which there is none is rejected.
fn keyed(stream: Stream<Elem>, of: Option<&Value>) -> Stream<(Value, Elem)> {
    let of = of.cloned();
    stream.try_map(move |elem| {
        let found = match &of {
            None => canonical(&elem.value),
            Some(of) => canonical(&key(of, &elem.value)?),
        };
        Ok((found, elem))
    })
}

fn gather_keyed(
    stream: Stream<(Value, Elem)>,
    op: impl Operator<(Value, Elem), Vec<(Value, Elem)>> + 'static,
) -> Stream<Elem> {
    stream.via(op).map(|pairs| Elem::gather(pairs.into_iter().map(|pair| pair.1).collect()))
}

fn accumulate(args: &Args<'_>, stream: Stream<Elem>) -> Built<Stream<Elem>> {
    let function = args.function("func")?;
    let start = args.0.get("start").or_else(|| args.0.get("_pos")?.get(1)).cloned();
    let returns_state = args.flag("returns_state", 2, false);
    let with_state = args.flag("with_state", 3, false);
    Ok(stream.try_scan(start, move |state: &Option<Value>, elem: Elem| -> Result<_> {
        let (state, result) = match state {
            None => (elem.value.clone(), elem.value.clone()),
            Some(state) => {
                let result = call(&function, &[state.clone(), elem.value.clone()])?;
                match result {
                    Value::Array(pair) if returns_state && pair.len() == 2 => (pair[0].clone(), pair[1].clone()),
                    _ if returns_state => return Err(raise("TypeError")),
                    result => (result.clone(), result),
                }
            }
        };
        let value = if with_state { json!([state, result]) } else { result };
        Ok((Some(state), elem.with(value)))
    }))
}

fn slice(args: &Args<'_>, stream: Stream<Elem>) -> Built<Stream<Elem>> {
    let (start, end) = (args.size("start", 0)?.unwrap_or(0) as u64, args.size("end", 1)?);
    let step = match args.size("step", 2)? {
        None => 1,
        Some(0) => return Err("ValueError".into()),
        Some(step) => step as u64,
    };
    let slice = match end {
        None => Slice::new(start..),
        Some(end) => Slice::new(start..end as u64),
    };
    Ok(stream.via_kind("slice", slice.step_by(step)))
}
