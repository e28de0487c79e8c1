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
            .map(|spec| [spec.name().to_owned(), spec.scheme_names().join(" "), about_line(spec)])
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

fn about_line(spec: &ElementSpec) -> String {
    match spec.alias() {
        Some(other) => format!("alias of {other}: {}", spec.about_text()),
        None => spec.about_text().to_owned(),
    }
}

fn page(spec: &ElementSpec) -> String {
    let mut text = format!("{} ({}): {}\n", spec.name(), spec.role(), about_line(spec));
    if !spec.scheme_names().is_empty() {
        let _ = writeln!(text, "Schemes: {}", spec.scheme_names().join(", "));
    }
    if let Some(guarantee) = guarantee(spec) {
        let _ = match guarantee.contains('\n') {
            true => writeln!(text, "Guarantee:\n  {}", guarantee.replace('\n', "\n  ")),
            false => writeln!(text, "Guarantee: {guarantee}"),
        };
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
        "alias_of": spec.alias(),
        "guarantee": guarantee(spec),
        "options": spec.option_specs(),
    })
}

fn json_text(elements: Vec<Json>) -> String {
    format!("{:#}\n", Json::Array(elements))
}

/// What an element's page says under "Guarantee", a line a paragraph: the one place where it is written down. A page that is about a
/// source and a sink may say it twice, in this order, or in a table.
fn guarantee(spec: &ElementSpec) -> Option<String> {
    let said = guarantees(spec.docs_text());
    let said = if spec.role() == Role::Sink { said.last() } else { said.first() };
    said.map(|lines| about(spec.name(), lines).join("\n"))
}

/// Each list item `* **Guarantee**: …`, and each section with that word in its heading, in lines as they are written.
fn guarantees(docs: &str) -> Vec<Vec<&str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    let mut lines = docs.lines().peekable();
    while let Some(line) = lines.next() {
        let (first, in_item) = match line.strip_prefix("* **Guarantee**: ") {
            Some(text) => (Some(text), true),
            None if line.starts_with('#') && line.to_lowercase().contains("guarantee") => (None, false),
            None => continue,
        };
        let mut text: Vec<_> = first.into_iter().collect();
        let ends = |line: &str| line.starts_with('#') || (in_item && !line.starts_with(' '));
        while let Some(line) = lines.next_if(|line| !ends(line)) {
            text.push(line.trim());
        }
        found.push(text);
    }
    found.retain(|lines| lines.iter().any(|line| !line.is_empty()));
    found
}

/// Paragraphs as a line each, and the rows of a table that are about this element, or about none by name, as `first: second`.
fn about(element: &str, lines: &[&str]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        if let Some(row) = line.strip_prefix('|') {
            goes_on = false;
            let cells: Vec<_> = row.trim_end_matches('|').split('|').map(str::trim).collect();
            let named = cells[0].split('`').nth(1).filter(|name| name.ends_with("src") || name.ends_with("sink"));
            let is_text = cells.iter().all(|cell| cell.contains(|c: char| c.is_alphanumeric()));
            if is_text && named.is_none_or(|name| name == element) {
                said.push(cells.join(": "));
            }
        } else if line.is_empty() {
            goes_on = false;
        } else {
            match said.last_mut().filter(|_| goes_on) {
                Some(last) => *last = format!("{last} {line}"),
                None => said.push((*line).to_owned()),
            }
            goes_on = true;
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::{about, guarantees};

    #[test]
    fn a_guarantee_is_a_section_or_a_list_item() {
        let section =
            "# mqtt\nIntro with guarantee.\n\n## Delivery guarantee\n\nAt least\nonce.\n\nMore.\n\n## Order\nKept.\n";
        let found = guarantees(section);
        assert_eq!(found.len(), 1);
        assert_eq!(about("mqttsrc", &found[0]), ["At least once.", "More."]);
        let items = "## Reading\n\n* **Guarantee**: can be\n  replayed.\n* **Order**: kept.\n\n## Writing\n\n* **Guarantee**: on disk.\n\nText.\n";
        let found: Vec<_> = guarantees(items).iter().map(|lines| about("filesrc", lines)).collect();
        assert_eq!(found, [["can be replayed."], ["on disk."]]);
        assert!(guarantees("# mqtt\nguarantee in the text is none").is_empty());
    }

    #[test]
    fn a_table_says_something_of_each_element() {
        let lines =
            ["", "| | |", "|---|---|", "| `mqttsink`, QoS 1 | confirmed |", "| `mqttsrc`, QoS 1 | kept |", "", "Both."];
        assert_eq!(about("mqttsrc", &lines), ["`mqttsrc`, QoS 1: kept", "Both."]);
    }
}
