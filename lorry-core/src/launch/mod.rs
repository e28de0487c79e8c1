//! Launch text: GStreamer's pipeline syntax for relays.
//!
//! `mqttsrc location=mqtt://localhost/sensors/# ! filter expr=".celsius > 40" ! sqlsink location=sqlite:///hot.db?table=hot`
//!
//! Elements stand between links; properties follow their element; an address may be the first or last element; chains may stand side by
//! side. `name=t` gives an element a name, and `t.` links to it from elsewhere: so streams branch (`tee`) and come together (`funnel`,
//! `zip`). `( … )` groups; `! application/json !` lets only this content type through.
//!
//! ```text
//! testsrc count=3 ! tee name=t ! queue ! filesink location=all.txt   t. ! filter expr=".id > 0" ! stdoutsink
//! ```
//!
//! A value ends at white space, unless it is in quotes or has a backslash before it; in double quotes a backslash protects any
//! character, in single quotes only a quote and itself. Of a repeated property the last holds, of `name=` the first.
//!
//! A text is [parsed](parse), [laid out](Pipeline::layout) against a registry, and [built](crate::registry::Registry::launch).
//!
//! Three things differ from GStreamer: single quotes are quotes, a value that is missing or never closed is an error, and a text with an
//! error never makes half a pipeline.

mod ast;
mod build;
mod caps;
mod elements;
pub mod fbp;
mod graph;
mod layout;
mod lexer;
mod parser;
mod resolve;
mod snippet;
mod unknown;

#[cfg(test)]
mod tests;

pub use ast::{Bin, Chain, Element, Item, Link, Node, Pipeline, Property};
pub use build::Step;
pub use caps::Caps;
pub use elements::{CapsFilter, Identity, Leaky, Queue};
pub use layout::{Layout, Placed};

pub(crate) use elements::register;

use crate::registry::secrets;
use crate::{Error, Result};
use std::ops::Range;

/// The longest launch text, in bytes.
const LONGEST: usize = 1 << 20;

/// Parses launch text. Nothing is looked up: whether the elements exist comes out when [`Registry::launch`] makes them.
///
/// ```
/// use lorry_core::launch::{self, Item};
///
/// let pipeline = launch::parse("testsrc count=3 ! file:///tmp/out.txt")?;
/// let Item::Element(source) = &pipeline.chains[0].nodes[0].item else { panic!() };
/// assert_eq!((source.factory.as_str(), source.property("count")), ("testsrc", Some("3")));
///
/// let error = launch::parse("testsrc ! ! nullsink").unwrap_err();
/// assert_eq!(error.to_string(), "\
/// nothing stands after this link; a link stands between two elements: mqttsrc location=… ! stdoutsink
///   testsrc ! ! nullsink
///           ^");
/// # Ok::<(), lorry_core::Error>(())
/// ```
///
/// [`Registry::launch`]: crate::registry::Registry::launch
///
/// # Errors
/// [`Usage`](crate::ErrorKind::Usage), with the text and a caret under the place; passwords in the text are not repeated.
pub fn parse(text: &str) -> Result<Pipeline> {
    if text.len() > LONGEST {
        return Err(Error::usage(format!("a pipeline of {} bytes; the most is {LONGEST}", text.len())));
    }
    let chains = lexer::lex(text).and_then(|tokens| parser::parse(&tokens, text.len()));
    match chains {
        Ok(chains) => Ok(Pipeline { text: text.into(), chains }),
        Err(fault) => Err(fault.in_text(text, &secrets::of_text(text))),
    }
}

/// Parses the arguments of a command line: one is the whole text, of several each is one token, so that no quotes are needed around
/// spaces in it.
///
/// ```
/// use lorry_core::launch::{Item, parse_args};
///
/// let pipeline = parse_args(&["filesrc", "location=a b.txt", "!", "stdoutsink"].map(str::to_owned))?;
/// let Item::Element(source) = &pipeline.chains[0].nodes[0].item else { panic!() };
/// assert_eq!(source.property("location"), Some("a b.txt"));
/// # Ok::<(), lorry_core::Error>(())
/// ```
///
/// # Errors
/// As [`parse`].
pub fn parse_args(args: &[String]) -> Result<Pipeline> {
    match args {
        [text] => parse(text),
        args => parse(&lexer::join(args)),
    }
}

/// The name of a property as options have it.
fn kebab(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// The secrets of a text and of the values in it, which may differ from the text by quotes and backslashes.
fn secrets_of<'a>(text: &str, properties: impl IntoIterator<Item = &'a Property>) -> secrets::Secrets {
    let mut secrets = secrets::of_text(text);
    properties.into_iter().for_each(|property| secrets.add_value(&property.name, &property.value));
    secrets
}

/// What is wrong with a text, and where.
#[derive(Debug)]
struct Fault {
    what: String,
    hint: Option<String>,
    span: Range<usize>,
}

impl Fault {
    fn new(what: impl Into<String>, span: Range<usize>) -> Self {
        Self { what: what.into(), hint: None, span }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error for a person: what, and the place in the text.
    fn in_text(self, text: &str, secrets: &secrets::Secrets) -> Error {
        let what = match self.hint {
            Some(hint) => format!("{}; {hint}", self.what),
            None => self.what,
        };
        let what = snippet::shortened(&secrets.keep_out_of(what));
        match snippet::at(text, self.span, secrets) {
            Some(snippet) => Error::usage(format!("{what}\n{snippet}")),
            None => Error::usage(what),
        }
    }
}
