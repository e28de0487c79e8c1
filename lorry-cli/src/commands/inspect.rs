//! `lorry inspect [ELEMENT|SCHEME]`.

use crate::args::InspectArgs;
use crate::exit::Outcome;
use crate::output;
use crate::registry::registry;
use crate::table;
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
            text.push_str(&table::columns(&rows));
            text.push('\n');
        }
    }
    text.push_str("lorry inspect NAME shows the options of an element or a scheme.\n");
    text
}

fn page(spec: &ElementSpec) -> String {
    let mut text = format!("{} ({}): {}\n", spec.name(), spec.role(), spec.about_text());
    if !spec.scheme_names().is_empty() {
        let _ = writeln!(text, "Schemes: {}", spec.scheme_names().join(", "));
    }
    if let Some(guarantee) = guarantee(spec) {
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
    text.push_str(&table::columns(&options.iter().map(row).collect::<Vec<_>>()));
    text
}

fn describe(spec: &ElementSpec) -> Json {
    json!({
        "name": spec.name(),
        "role": spec.role(),
        "schemes": spec.scheme_names(),
        "about": spec.about_text(),
        "guarantee": guarantee(spec),
        "options": spec.option_specs(),
    })
}

fn json_text(elements: Vec<Json>) -> String {
    format!("{:#}\n", Json::Array(elements))
}

/// What an element's page says under "Guarantee", in one line: the one place where it is written down. A page that is about a source
/// and a sink says it twice, in this order.
fn guarantee(spec: &ElementSpec) -> Option<String> {
    let said = guarantees(spec.docs_text());
    if spec.role() == Role::Sink { said.last().cloned() } else { said.first().cloned() }
}

/// Each list item `* **Guarantee**: …`, and each section with that word in its heading.
fn guarantees(docs: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut within = false;
    for line in docs.lines() {
        if let Some(text) = line.strip_prefix("* **Guarantee**: ") {
            found.push(text.trim().to_owned());
            within = true;
        } else if line.starts_with('#') {
            within = line.to_lowercase().contains("guarantee");
            if within {
                found.push(String::new());
            }
        } else if line.starts_with("* ") && found.last().is_some_and(|text| !text.is_empty()) {
            within = false;
        } else if let (true, Some(text)) = (within, found.last_mut()) {
            if !text.is_empty() && !line.trim().is_empty() {
                text.push(' ');
            }
            text.push_str(line.trim());
        }
    }
    found.retain(|text| !text.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::guarantees;

    #[test]
    fn a_guarantee_is_a_section_or_a_list_item() {
        let section = "# mqtt\nIntro with guarantee.\n\n## Delivery guarantee\n\nAt least\nonce.\n\n## Order\nKept.\n";
        assert_eq!(guarantees(section), ["At least once."]);
        let items = "## Reading\n\n* **Guarantee**: can be\n  replayed.\n* **Order**: kept.\n\n## Writing\n\n* **Guarantee**: on disk.\n\n## More\n\nText.\n";
        assert_eq!(guarantees(items), ["can be replayed.", "on disk."]);
        assert!(guarantees("# mqtt\nguarantee in the text is none").is_empty());
    }
}
