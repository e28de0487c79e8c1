//! `lorry inspect [ELEMENT|SCHEME]`.

use crate::args::InspectArgs;
use crate::exit::Outcome;
use crate::output;
use crate::registry::registry;
use lorry::registry::{ElementSpec, OptionSpec, Registry, Role};
use lorry::{Error, Result, did_you_mean};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// Prints the list of elements, or what there is to know about some of them.
pub(crate) fn run(args: &InspectArgs) -> Outcome {
    let registry = registry();
    let text = match (&args.name, args.json) {
        (None, false) => list(&registry),
        (None, true) => json_text(registry.elements().map(describe).collect()),
        (Some(name), false) => find(&registry, name)?.into_iter().map(page).collect::<Vec<_>>().join("\n"),
        (Some(name), true) => json_text(find(&registry, name)?.into_iter().map(describe).collect()),
    };
    output::stdout(&text)
}

/// The element of this name, or those that answer to the scheme.
fn find<'a>(registry: &'a Registry, name: &str) -> Result<Vec<&'a ElementSpec>> {
    let wanted = name.to_ascii_lowercase();
    let wanted = wanted.split(':').next().unwrap_or_default();
    if let Some(spec) = registry.element(wanted) {
        return Ok(vec![spec]);
    }
    let specs = registry.by_scheme(wanted);
    if !specs.is_empty() {
        return Ok(specs);
    }
    let names = || registry.elements().flat_map(|spec| spec.scheme_names().iter().copied().chain([spec.name()]));
    let error = Error::usage(format!("no element or scheme {wanted:?}"));
    Err(match did_you_mean(wanted, names()) {
        Some(near) => error.hint(format!("did you mean {near:?}? (lorry inspect lists all)")),
        None => error.hint("lorry inspect lists all"),
    })
}

fn list(registry: &Registry) -> String {
    let mut text = String::new();
    for (role, title) in [(Role::Source, "Sources"), (Role::Operator, "Operators"), (Role::Sink, "Sinks")] {
        let rows: Vec<_> = registry
            .elements()
            .filter(|spec| spec.role() == role)
            .map(|spec| [spec.name().to_owned(), spec.scheme_names().join(" "), spec.about_text().to_owned()])
            .collect();
        if !rows.is_empty() {
            let _ = writeln!(text, "{title}");
            text.push_str(&columns(&rows));
            text.push('\n');
        }
    }
    text.push_str("lorry inspect NAME shows the options of an element or a scheme.\n");
    text
}

/// Rows in aligned columns, indented; the last column is free.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn page(spec: &ElementSpec) -> String {
    let mut text = format!("{} ({}): {}\n", spec.name(), spec.role(), spec.about_text());
    if !spec.scheme_names().is_empty() {
        let _ = writeln!(text, "Schemes: {}", spec.scheme_names().join(", "));
    }
    if let Some(guarantee) = guarantee(spec.docs_text()) {
        let _ = writeln!(text, "Guarantee: {guarantee}");
    }
    let options = spec.option_specs();
    if options.is_empty() {
        text.push_str("No options.\n");
        return text;
    }
    text.push_str("Options:\n");
    let row = |option: &OptionSpec| {
        let default = option.default.as_ref().map(|default| format!("[{default}]")).unwrap_or_default();
        [option.name.clone(), option.kind.clone(), default, option.doc.clone()]
    };
    text.push_str(&columns(&options.iter().map(row).collect::<Vec<_>>()));
    text
}

fn describe(spec: &ElementSpec) -> Json {
    json!({
        "name": spec.name(),
        "role": spec.role(),
        "schemes": spec.scheme_names(),
        "about": spec.about_text(),
        "guarantee": guarantee(spec.docs_text()),
        "options": spec.option_specs(),
    })
}

fn json_text(elements: Vec<Json>) -> String {
    format!("{:#}\n", Json::Array(elements))
}

/// What an element's page says under "Guarantee", in one line: the one place where it is written down.
fn guarantee(docs: &str) -> Option<String> {
    let is_heading = |line: &str| line.starts_with('#');
    let mut lines = docs.lines().skip_while(|line| !(is_heading(line) && line.to_lowercase().contains("guarantee")));
    lines.next()?;
    let section = lines.take_while(|line| !is_heading(line)).map(str::trim).collect::<Vec<_>>().join(" ");
    Some(section.trim().to_owned()).filter(|section| !section.is_empty())
}

#[cfg(test)]
mod tests {
    use super::guarantee;

    #[test]
    fn the_guarantee_is_the_section_of_that_name() {
        let docs = "# mqtt\nIntro.\n\n## Delivery guarantee\nAt least\nonce.\n\n## Order\nKept.\n";
        assert_eq!(guarantee(docs).as_deref(), Some("At least once."));
        assert_eq!(guarantee("# mqtt\nguarantee in the text is not a section"), None);
    }
}
