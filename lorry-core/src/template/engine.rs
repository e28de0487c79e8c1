//! Templates by minijinja, with nothing to reach but the message.

use super::values::Variables;
use crate::{Error, ErrorKind, Message, Result, did_you_mean};
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind as Wrong, UndefinedBehavior};

/// What one rendering may cost, in instructions and bytes written: a thousand times more than an address needs.
const FUEL: u64 = 100_000;

/// The name under which the one template is kept; it has no suffix, so nothing is escaped.
const NAME: &str = "template";

const VARIABLES: [&str; 5] = ["topic", "key", "header", "payload", "timestamp"];

pub(super) struct Engine(Environment<'static>);

impl Engine {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_debug(true);
        environment.set_fuel(Some(FUEL));
        // A null is as little of an address as a value that is not there.
        environment.set_formatter(|out, state, value| {
            if value.is_none() {
                Err(Wrong::UndefinedError.into())
            } else {
                minijinja::escape_formatter(out, state, value)
            }
        });
        // Debug, `range` and the like have no place in an address.
        for global in ["debug", "dict", "namespace", "range"] {
            environment.remove_global(global);
        }
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| malformed(text, &error))?;
        check_names(&mut environment, text)?;
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        Ok(Self(environment))
    }

    pub(super) fn render(&self, text: &str, message: &Message) -> Result<String> {
        let rendered =
            self.0.get_template(NAME).and_then(|template| template.render(Value::from_object(Variables::of(message))));
        rendered.map_err(|error| {
            let part = error.range().and_then(|range| text.get(range)).map(str::trim).filter(|part| !part.is_empty());
            let what = match (error.kind(), error.detail(), part) {
                (Wrong::UndefinedError, _, Some(part)) => format!("the message has no {part}"),
                (Wrong::UndefinedError, _, None) => "the message does not have what the template asks for".to_owned(),
                (Wrong::OutOfFuel, ..) => "it takes too long".to_owned(),
                (kind, detail, _) => detail.map_or_else(|| kind.to_string(), str::to_owned),
            };
            Error::data(ErrorKind::Malformed, "render template", what)
                .with("template", text)
                .at_address(&message.address)
        })
    }
}

/// Unknown variables, filters, tests and functions come out when the template is parsed, not with the first message: the engine
/// itself looks them up while it renders. Hence one rendering in which everything undefined is let through.
fn check_names(environment: &mut Environment<'static>, text: &str) -> Result<()> {
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    let template = environment.get_template(NAME).map_err(|error| malformed(text, &error))?;
    let mut unknown: Vec<_> =
        template.undeclared_variables(false).into_iter().filter(|name| !VARIABLES.contains(&name.as_str())).collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        let error = Error::usage(format!("template {text:?}: no variable {name:?}"));
        return Err(match did_you_mean(name, VARIABLES) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint(format!("there are {}", VARIABLES.join(", "))),
        });
    }
    match template.render(Value::from_object(Variables::of(&Message::tombstone()))) {
        Err(error) if matches!(error.kind(), Wrong::UnknownFilter | Wrong::UnknownTest | Wrong::UnknownFunction) => {
            Err(malformed(text, &error))
        }
        _ => Ok(()),
    }
}

fn malformed(text: &str, error: &minijinja::Error) -> Error {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let place = error.range().and_then(|range| text.get(..range.start)).map(|before| {
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        match before.matches('\n').count() {
            0 => format!(" at column {column}"),
            lines => format!(" at line {}, column {column}", lines + 1),
        }
    });
    Error::usage(format!("template {text:?}: {what}{}", place.unwrap_or_default()))
}
