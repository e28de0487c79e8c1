//! `accumulate` and `scan` with an expression.

use super::{element, needed};
use crate::expr::Expr;
use crate::flow::{Item, Operator, Output};
use crate::registry::Registry;
use crate::{Bytes, Error, ErrorKind, Message, Result};
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct ScanOptions {
    /// The next state, in jq: `.state` is the state so far, `.value` the payload as JSON. It goes on as the payload.
    expr: Option<String>,
    /// The state at the beginning, in JSON.
    start: String,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { expr: None, start: "null".to_owned() }
    }
}

pub(super) fn register(registry: &mut Registry) {
    for name in ["accumulate", "scan"] {
        let spec = element(name, "carries a state from message to message", move |options: ScanOptions| {
            let expr = needed(options.expr, name, "expr", "\".state + .value\"")?;
            serde_json::from_str::<IgnoredAny>(&options.start)
                .map_err(|error| Error::usage(format!("option \"start\" of {name} is no JSON: {error}")))?;
            Ok(Box::new(Scan { expr: Expr::compile(&expr)?, state: Bytes::from(options.start) }))
        });
        registry.add(if name == "scan" { spec } else { spec.alias_of("scan") });
    }
}

/// Token rule: passed on; a message for which the expression gives nothing counts as filtered, one for which it fails is rejected; the
/// state stays as it was. Holds nothing.
struct Scan {
    expr: Expr,
    state: Bytes,
}

impl Scan {
    fn next(&self, message: &Message) -> Result<Option<Bytes>> {
        let value = message.payload.as_deref().unwrap_or(b"null");
        serde_json::from_slice::<IgnoredAny>(value).map_err(|error| {
            Error::data(ErrorKind::Malformed, "evaluate expression", format!("the payload is not JSON: {error}"))
                .at_address(&message.address)
        })?;
        let payload = [b"{\"state\":", &*self.state, b",\"value\":", value, b"}"].concat();
        let input = Message { payload: Some(payload.into()), ..message.clone() };
        let mut first = None;
        self.expr.map(&input, |output| {
            first.get_or_insert(output.payload);
        })?;
        Ok(first.flatten())
    }
}

impl Operator<Message> for Scan {
    fn push(&mut self, mut item: Item<Message>, out: &mut Output<'_, Message>) {
        match self.next(&item.value) {
            Err(error) => item.token.reject(error),
            Ok(None) => item.token.filtered(),
            Ok(Some(state)) => {
                self.state = state.clone();
                item.value.payload = Some(state);
                out.push(item);
            }
        }
    }
}
