//! The operators as elements of launch text.

use crate::expr::Expr;
use crate::flow::Operator;
use crate::ops::{FilterExpr, MapExpr};
use crate::registry::{Args, ElementSpec, Registry};
use crate::{Error, Message, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of `filter` and `map`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct ExprOptions {
    /// The expression, in jq: `.` is the payload as JSON; `$topic`, `$key`, `$headers` and `$timestamp` are bound.
    expr: Option<String>,
}

pub(super) fn register(registry: &mut Registry) {
    let filter =
        |args: &mut Args| Ok(Box::new(FilterExpr(take(args, "filter", ".value > 0")?)) as Box<dyn Operator<Message>>);
    let map = |args: &mut Args| Ok(Box::new(MapExpr(take(args, "map", "{value}")?)) as Box<dyn Operator<Message>>);
    registry.add(
        ElementSpec::operator("filter", filter)
            .about("keeps the messages for which a jq expression is true")
            .options::<ExprOptions>(),
    );
    registry.add(
        ElementSpec::operator("map", map)
            .about("makes a message of each output of a jq expression")
            .options::<ExprOptions>(),
    );
}

fn take(args: &mut Args, element: &str, example: &str) -> Result<Expr> {
    let options: ExprOptions = args.take()?;
    let expr =
        options.expr.ok_or_else(|| Error::usage(format!("{element} needs expr=, such as expr=\"{example}\"")))?;
    Expr::compile(&expr)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::ErrorKind;
    use crate::flow::{Item, Output};
    use crate::registry::Element;
    use std::time::Instant;

    fn make(name: &str, expr: &str) -> Box<dyn Operator<Message>> {
        match Registry::new().make_named(name, &[("expr".to_owned(), expr.to_owned())]).unwrap() {
            Element::Operator(operator) => operator,
            _ => panic!("{name} is no operator"),
        }
    }

    fn push(mut operator: Box<dyn Operator<Message>>, payloads: &[&'static str]) -> Vec<Message> {
        let mut seen = Vec::new();
        let mut out = Output::to(&mut seen, Instant::now());
        payloads.iter().for_each(|payload| operator.push(Item::untracked(Message::new(*payload)), &mut out));
        seen.into_iter().map(|item| item.value).collect()
    }

    #[test]
    fn filter_and_map_by_name() {
        assert_eq!(push(make("filter", ". > 1"), &["1", "2", "x", "3"]), [Message::new("2"), Message::new("3")]);
        assert_eq!(push(make("map", ".[]"), &["[1, 2]", "[]", "x", "[3]"]), ["1", "2", "3"].map(Message::new));
    }

    #[test]
    fn the_expression_is_needed_and_checked() {
        for properties in [
            vec![],
            vec![("expr".to_owned(), "nosuchfunction(1)".to_owned())],
            vec![("exp".to_owned(), ".".to_owned())],
        ] {
            let error = Registry::new().make_named("filter", &properties).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
        }
    }
}
