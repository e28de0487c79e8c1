//! `.fbp` graphs: the notation of flow-based programming, for the same graphs as launch text.
//!
//! ```text
//! # @name Hot sensors
//! 'mqtt://localhost/sensors/#' -> LOCATION Read(mqttsrc) OUT -> IN Hot(filter) OUT -> IN Store(sqlsink)
//! '.celsius > 40' -> EXPR Hot
//! 'sqlite:///hot.db?table=hot' -> LOCATION Store
//! ```
//!
//! A process is `NAME(ELEMENT)`, named once with its element and then by name alone; `(ELEMENT)` is one without a name. `PROCESS PORT ->
//! PORT PROCESS` links; the ports `OUT` and `IN` may be left out. A literal sets a property of the process: `'5' -> SIZE Batch`. Ports of a
//! join or a tee are numbered: `IN[0]`, `OUT[1]`. Where several links leave a process that is no `tee`, each gets everything; where
//! several come in that is no join, they come as one, as through a `funnel`. Lines end with a newline or a comma; `#` begins a comment.

mod layout;
mod parse;

use super::{Fault, snippet};
use crate::registry::secrets::{self, Secrets};
use crate::{Error, Result};
use serde_json::{Map, Value as Json, json};
use std::ops::Range;
use std::sync::Arc;

/// Whether port names are told apart by case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// `OUT` and `out` are one port.
    #[default]
    Ignored,
    /// They are two.
    Sensitive,
}

/// A parsed graph. Nothing is looked up or made yet.
#[derive(Clone)]
pub struct Fbp {
    text: Arc<str>,
    case: Case,
    processes: Vec<Process>,
    connections: Vec<Connection>,
    inports: Vec<Export>,
    outports: Vec<Export>,
    properties: Map<String, Json>,
}

#[derive(Clone)]
struct Process {
    name: String,
    /// `None` as long as it was only mentioned.
    component: Option<String>,
    metadata: Map<String, Json>,
    span: Range<usize>,
}

#[derive(Clone)]
struct Connection {
    from: Origin,
    to: PortOf,
    span: Range<usize>,
}

#[derive(Clone)]
enum Origin {
    Literal(Json),
    Process(PortOf),
}

/// A port of a process.
#[derive(Clone)]
struct PortOf {
    process: String,
    port: String,
    index: Option<u32>,
    /// Nobody named it.
    by_default: bool,
    span: Range<usize>,
}

/// A port of the graph itself.
#[derive(Clone)]
struct Export {
    name: String,
    process: String,
    port: String,
    span: Range<usize>,
}

/// Parses a graph.
///
/// ```
/// use lorry_core::launch::fbp::{self, Case};
///
/// let graph = fbp::parse("'3' -> COUNT Read(testsrc) OUT -> IN Show(stdoutsink)", Case::Ignored)?;
/// assert_eq!(graph.to_json()["processes"]["Read"]["component"], "testsrc");
///
/// let error = fbp::parse("Read(testsrc)\n  --> IN Show(stdoutsink)", Case::Ignored).unwrap_err();
/// assert_eq!(error.to_string(), "\
/// nothing is known to begin with '-' (line 2, column 3); a link is written ->
///     --> IN Show(stdoutsink)
///     ^");
/// # Ok::<(), lorry_core::Error>(())
/// ```
///
/// # Errors
/// [`Usage`](crate::ErrorKind::Usage), with line, column and a caret under the place: the syntax, a process without an element.
pub fn parse(text: &str, case: Case) -> Result<Fbp> {
    if text.len() > super::LONGEST {
        return Err(Error::usage(format!("a graph of {} bytes; the most is {}", text.len(), super::LONGEST)));
    }
    parse::parse(text, case).map_err(|fault| in_text(fault, text, &secrets_of(text)))
}

impl Fbp {
    /// The graph in the JSON notation of flow-based programming. Literals stand in it as they are, passwords too.
    pub fn to_json(&self) -> Json {
        let port = |port: &PortOf| {
            let mut json = json!({ "process": port.process, "port": port.port });
            if let Some(index) = port.index {
                json["index"] = index.into();
            }
            json
        };
        let process = |process: &Process| {
            let mut json = json!({ "component": process.component });
            if !process.metadata.is_empty() {
                json["metadata"] = process.metadata.clone().into();
            }
            (process.name.clone(), json)
        };
        let connection = |connection: &Connection| match &connection.from {
            Origin::Literal(data) => json!({ "data": data, "tgt": port(&connection.to) }),
            Origin::Process(from) => json!({ "src": port(from), "tgt": port(&connection.to) }),
        };
        let exports = |exports: &[Export]| {
            let one =
                |export: &Export| (export.name.clone(), json!({ "process": export.process, "port": export.port }));
            exports.iter().map(one).collect::<Map<_, _>>()
        };
        let mut json = json!({
            "caseSensitive": self.case == Case::Sensitive,
            "inports": exports(&self.inports),
            "outports": exports(&self.outports),
            "groups": [],
            "processes": self.processes.iter().map(process).collect::<Map<_, _>>(),
            "connections": self.connections.iter().map(connection).collect::<Vec<_>>(),
        });
        if !self.properties.is_empty() {
            json["properties"] = self.properties.clone().into();
        }
        json
    }
}

/// Literals may be passwords, so only names are shown.
impl std::fmt::Debug for Fbp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.processes.iter().map(|process| &process.name)).finish()
    }
}

/// The error for a person: what, where, and the line.
fn in_text(fault: Fault, text: &str, secrets: &Secrets) -> Error {
    let Fault { what, hint, span } = fault;
    let before = &text[..span.start.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let what =
        format!("{what} (line {line}, column {column}){}", hint.map(|hint| format!("; {hint}")).unwrap_or_default());
    let what = snippet::shortened(&secrets.keep_out_of(what));
    match snippet::at(text, span, secrets) {
        Some(snippet) => Error::usage(format!("{what}\n{snippet}")),
        None => Error::usage(what),
    }
}

/// The secrets of a graph: as in any text, and the literals that go to a port such as PASSWORD. The text may be broken, so every literal
/// counts that has such a word in it or behind it in its line.
fn secrets_of(text: &str) -> Secrets {
    let mut secrets = secrets::of_text(text);
    secrets.hide(text, &hidden(text));
    secrets
}

fn hidden(text: &str) -> Vec<Range<usize>> {
    let is_secret = |text: &str| {
        text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).any(crate::registry::is_secret_name)
    };
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find(['\'', '"', '{', '[', '#']).map(|found| at + found) {
        let rest = &text[open..];
        let sign = rest.chars().next().unwrap_or_default();
        let line_end = open + rest.find('\n').unwrap_or(rest.len());
        let length = match sign {
            '#' => Some(line_end - open),
            '\'' => parse::literal_length(rest),
            _ => parse::json_length(rest),
        };
        // A literal that does not end goes on to the end of the line, or of the text.
        let close = length.map_or(if sign == '\'' { line_end } else { text.len() }, |length| open + length);
        let behind = &text[close..close + text[close..].find('\n').unwrap_or(text.len() - close)];
        if sign != '#' && (is_secret(behind) || is_secret(&text[open..close])) {
            places.push(open + 1..close.saturating_sub(usize::from(length.is_some())).max(open + 1));
        }
        at = close.max(open + 1);
    }
    places
}

#[cfg(test)]
mod tests;
