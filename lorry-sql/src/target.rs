//! Which table a message goes to: always one, or what a template makes of the message.

use crate::table::TableName;
use lorry_core::{Error, ErrorKind, Message, Result, Template};
use std::fmt;

/// A table's name, in which templates may stand.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The same for all messages.
    Fixed(TableName),
    /// Made from each message. What a template yields is a name as it is: dots and quotes in it mean nothing.
    Made { schema: Option<Template>, name: Template },
}

impl Target {
    /// From `table` or `schema.table`, and a schema given apart.
    ///
    /// # Errors
    /// [`Usage`](ErrorKind::Usage): no name, two schemas, a template with an error in it.
    pub(crate) fn parse(table: &str, schema: Option<&str>) -> Result<Self> {
        let target = if is_template(table) || schema.is_some_and(is_template) {
            Self::parse_template(table, schema)?
        } else {
            let mut name = TableName::parse(table)?;
            if let Some(schema) = schema
                && name.schema.replace(schema.to_owned()).is_some()
            {
                return Err(two_schemas(table));
            }
            Self::Fixed(name)
        };
        Ok(target)
    }

    fn parse_template(table: &str, schema: Option<&str>) -> Result<Self> {
        let part = |text: &str| {
            let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
            match bare {
                "" => Err(Error::usage(format!("table name {table:?} has an empty part"))),
                _ => Template::parse(bare),
            }
        };
        let parts = split_outside_templates(table);
        match (parts.as_slice(), schema) {
            ([name], None) => Ok(Self::Made { schema: None, name: part(name)? }),
            (&[name], Some(schema)) | (&[schema, name], None) => {
                Ok(Self::Made { schema: Some(part(schema)?), name: part(name)? })
            }
            ([_, _], Some(_)) => Err(two_schemas(table)),
            _ => Err(Error::usage(format!("table name {table:?} has more than two parts"))),
        }
    }

    /// The table of this message.
    ///
    /// # Errors
    /// Class `data`: the message does not have what the template asks for, or it makes an empty name or one with a NUL character.
    pub(crate) fn of(&self, message: &Message) -> Result<TableName> {
        let (schema, name) = match self {
            Self::Fixed(name) => return Ok(name.clone()),
            Self::Made { schema, name } => (schema, name),
        };
        let render = |template: &Template| {
            let text = template.render(message)?;
            if text.is_empty() || text.contains('\0') {
                let error = Error::data(ErrorKind::Constraint, "choose the table", format!("{text:?} is no name"));
                return Err(error.with("template", template));
            }
            Ok(text.into_owned())
        };
        Ok(TableName { schema: schema.as_ref().map(render).transpose()?, name: render(name)? })
    }
}

/// As it was written.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(name) => name.fmt(f),
            Self::Made { schema: Some(schema), name } => write!(f, "{schema}.{name}"),
            Self::Made { schema: None, name } => name.fmt(f),
        }
    }
}

fn two_schemas(table: &str) -> Error {
    Error::usage(format!("two schemas: table {table:?} and option \"schema\"")).hint("give one")
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// The parts between dots, not counting dots inside `{{ … }}` and `{% … %}`.
fn split_outside_templates(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut inside, mut previous) = (Vec::new(), 0, false, ' ');
    for (at, c) in text.char_indices() {
        match (previous, c) {
            ('{', '{' | '%') => inside = true,
            ('}' | '%', '}') => inside = false,
            (_, '.') if !inside => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        previous = c;
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dots_count_outside_templates_only() {
        assert_eq!(split_outside_templates("plant.{{ header.x }}"), ["plant", "{{ header.x }}"]);
        assert_eq!(split_outside_templates("{{ payload.a }}_{{ payload.b }}"), ["{{ payload.a }}_{{ payload.b }}"]);
        assert_eq!(split_outside_templates("a.b.c").len(), 3);
    }

    #[test]
    fn two_schemas_are_an_error() {
        assert!(Target::parse("a.b", Some("c")).is_err());
        assert_eq!(Target::parse("b", Some("a")).unwrap().to_string(), "a.b");
    }

    #[test]
    fn what_a_template_yields_is_a_name_as_it_is() {
        let target = Target::parse("plant.{{ topic[1] }}", None).unwrap();
        let name = target.of(&Message::new("").at("sensors/a.\"b")).unwrap();
        assert_eq!(name, TableName { schema: Some("plant".into()), name: "a.\"b".into() });
        let error = target.of(&Message::new("").at("sensors")).unwrap_err();
        assert_eq!(error.class(), lorry_core::Class::Data);
        assert!(target.of(&Message::new("").at("sensors/")).is_err());
        assert!(Target::parse("{{ topic[1] }}.b", Some("c")).is_err());
        assert!(Target::parse("{{ topic[ }}", None).is_err());
    }
}
