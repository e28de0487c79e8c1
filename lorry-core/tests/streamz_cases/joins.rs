//! Nodes of several inputs, as joins of the typed API.

use super::args::Args;
use super::build::Built;
use super::elem::Elem;
use super::value::Py;
use lorry_core::Stream;
use lorry_core::ops::{CombineLatestAll, ZipAll, ZipLatestAll};
use serde_json::Value;

/// The operators that tell their inputs apart.
pub(crate) fn is_join(op: &str) -> bool {
    matches!(op, "zip" | "combine_latest" | "zip_latest")
}

/// The inputs of a join: as they were when it was made, and as they are when the first element comes.
pub(crate) struct Inputs<'a> {
    /// Of literals the values.
    pub(crate) first: &'a [Value],
    pub(crate) literals: &'a [(usize, Value)],
    pub(crate) names: &'a [String],
}

pub(crate) fn join(op: &str, args: &Args<'_>, streams: Vec<Stream<Elem>>, inputs: &Inputs<'_>) -> Built<Stream<Elem>> {
    let several = streams.len();
    let joined = match op {
        "zip" => {
            // What waits for the others blocks who awaits it, and nobody else.
            let mut zip = ZipAll::new(several).ahead(100_000);
            args.size("maxsize", usize::MAX)?;
            for (place, value) in inputs.literals {
                zip = zip.literal(*place, Elem::new(Py::from_json(value, false)));
            }
            Stream::join_all(streams, "zip", zip)
        }
        _ if !inputs.literals.is_empty() => return Err("TypeError".into()),
        "combine_latest" => {
            let combine = CombineLatestAll::new(several).emit_on(emit_on(args, inputs)?);
            Stream::join_all(streams, "combine_latest", combine)
        }
        _ => Stream::join_all(streams, "zip_latest", ZipLatestAll::new(several)),
    };
    Ok(joined.map(Elem::tuple))
}

/// Which inputs make it give out something. Numbers count as when the node was made, names stay what they are.
fn emit_on(args: &Args<'_>, inputs: &Inputs<'_>) -> Built<Vec<usize>> {
    let Some(on) = args.get("emit_on", usize::MAX) else { return Ok(Vec::new()) };
    let wanted = match on {
        Value::Array(several) => several.iter().collect(),
        one => vec![one],
    };
    let mut places = Vec::new();
    for one in wanted {
        let name = match one.as_i64() {
            None => one.as_str().map(|name| name.trim_start_matches('@')),
            Some(index) => {
                let at = if index < 0 { index + inputs.first.len() as i64 } else { index };
                let input = usize::try_from(at).ok().and_then(|at| inputs.first.get(at));
                input.ok_or("IndexError")?.as_str()
            }
        };
        places.extend(inputs.names.iter().position(|other| Some(other.as_str()) == name));
    }
    // With no input that does, nothing ever does: here none at all would mean all.
    Ok(if places.is_empty() { vec![inputs.names.len()] } else { places })
}
