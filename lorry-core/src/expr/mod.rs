//! Expressions in jq, on messages: what `filter expr=` and `map expr=` evaluate.
//!
//! The language is jaq's jq. Not there: `halt`, `env`, `input`, `debug`, `localtime` and what else would reach past the message, and
//! functions that call themselves (write them with `recurse`, `until`, `while`, `reduce` or `walk`). JSON is strict both ways: `NaN`,
//! comments and deep nesting are refused on the way in; on the way out `nan` is written as `null` and an infinity as the largest
//! number, as jq has it.
//!
//! An expression is evaluated in the task that drives the graph, so it must come to an end (`limits.rs`): for one message it may take a
//! million steps (turns of `reduce`, `foreach`, `range`, `recurse`, `until`, `while`, `repeat`; calls of functions that it defines),
//! and make values that nest 256 deep and have 256 MiB. With more the message is rejected. What multiplies without a loop, `(.,.)|(.,.)|…`,
//! is not counted.
//!
//! Most filters that people write are comparisons of fields: those go around the interpreter (`native.rs`).

mod input;
mod limits;
mod native;
mod output;
mod program;
mod recursion;

#[cfg(test)]
mod tests;

use crate::{Error, ErrorKind, Message, Result};
use bytes::Bytes;
use jaq_json::Val;
use program::Program;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;

/// The most messages that one message may become.
const MOST_OUTPUTS: usize = 100_000;

/// The most bytes that one message may become.
const MOST_BYTES: usize = 256 << 20;

/// A compiled jq expression. `.` is the payload as JSON (`null` for a tombstone); bound are `$topic`, `$key`, `$headers` (an object; of a
/// repeated name the first) and `$timestamp` (seconds since 1970, as jq's date functions have it). What a message does not have is
/// `null`; a key or header that is not UTF-8 is jaq's byte string. Clones share the program.
///
/// ```
/// use lorry_core::{Message, expr::Expr};
///
/// let hot = Expr::compile(r#".celsius > 40 and ($topic | startswith("sensors/"))"#)?;
/// assert!(hot.test(&Message::new(r#"{"celsius": 41.5}"#).at("sensors/kitchen"))?);
///
/// let mut out = Vec::new();
/// Expr::compile(".readings[]")?.map(&Message::new(r#"{"readings": [1, 2.50]}"#).at("a"), |message| out.push(message))?;
/// assert_eq!(out, [Message::new("1").at("a"), Message::new("2.50").at("a")]);
///
/// let error = Expr::compile("nosuchfunction(1)").unwrap_err();
/// assert!(error.to_string().contains("nosuchfunction"));
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Expr {
    text: Arc<str>,
    program: Arc<Program>,
}

impl Expr {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`Usage`](ErrorKind::Usage), naming the expression: a syntax error and its column, a function or variable that does not exist,
    /// a function that calls itself, nesting too deep to be evaluated safely.
    pub fn compile(text: &str) -> Result<Self> {
        Ok(Self { text: text.into(), program: Arc::new(Program::compile(text)?) })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the first output is truthy: neither `null` nor `false`. No output is no.
    ///
    /// # Errors
    /// Of class [`Data`](crate::Class::Data): the payload is not JSON, or the expression ends in an error.
    pub fn test(&self, message: &Message) -> Result<bool> {
        if let Some(passes) = self.program.quick_test(message) {
            return Ok(passes);
        }
        self.interpreted_test(message)
    }

    fn interpreted_test(&self, message: &Message) -> Result<bool> {
        let mut passes = false;
        self.run(message, |value| {
            passes = !matches!(value, Val::Null | Val::Bool(false));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(passes)
    }

    /// Hands over one message for each output, with the output as its payload, and address, key, headers, properties and timestamp of
    /// the input. A tombstone's `null` stays a tombstone. All or nothing: with an error nothing was handed over.
    ///
    /// # Errors
    /// As [`test`](Expr::test); also an output that JSON cannot say, and more than 100,000 outputs or 256 MiB of them.
    pub fn map(&self, message: &Message, mut emit: impl FnMut(Message)) -> Result<()> {
        let mut payloads: Vec<Option<Bytes>> = Vec::new();
        let mut room = MOST_BYTES;
        self.run(message, |value| {
            if payloads.len() == MOST_OUTPUTS {
                return Err(format!("more than {MOST_OUTPUTS} outputs"));
            }
            let tombstone = message.payload.is_none() && matches!(value, Val::Null);
            let payload = if tombstone { None } else { Some(output::write(&value, room)?) };
            room -= payload.as_ref().map_or(0, Bytes::len);
            payloads.push(payload);
            Ok(ControlFlow::Continue(()))
        })?;
        for payload in payloads {
            emit(Message { payload, ..message.clone() });
        }
        Ok(())
    }

    fn run(&self, message: &Message, each: impl FnMut(Val) -> Result<ControlFlow<()>, String>) -> Result<()> {
        self.program.run(message, each).map_err(|what| {
            Error::data(ErrorKind::Malformed, "evaluate expression", what)
                .with("expression", &*self.text)
                .at_address(&message.address)
        })
    }
}

impl FromStr for Expr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::compile(text)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({:?})", self.text)
    }
}
