//! The options of an element as Markdown, so that pages and structs can be held together by a test.

use super::spec::ElementSpec;
use std::fmt::Write;

/// The table of an element's options: name, type, default, meaning; a row each, in the order of [`ElementSpec::option_specs`].
/// Take the spec from a registry, so that the options shared by all elements of its role are in it.
///
/// A page of documentation holds this text literally, and a test of its crate says so:
///
/// ```
/// use lorry_core::registry::{ElementSpec, Registry, options_table};
///
/// #[derive(Default, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
/// #[serde(default, rename_all = "kebab-case")]
/// struct VoidOptions {
///     /// Say what was thrown away.
///     verbose: bool,
/// }
///
/// let mut registry = Registry::new();
/// let make = |_: &mut lorry_core::registry::Args| Err(lorry_core::Error::usage("not in this example"));
/// registry.add(ElementSpec::sink("voidsink", make).options::<VoidOptions>());
///
/// let spec = registry.element("voidsink").unwrap();
/// assert!(options_table(spec).contains("| `verbose` | boolean | `false` | Say what was thrown away. |"));
/// ```
pub fn options_table(spec: &ElementSpec) -> String {
    let mut table = String::from("| option | type | default | meaning |\n|---|---|---|---|\n");
    for option in spec.option_specs() {
        let default = option.default.as_ref().map(|default| format!("`{}`", cell(default))).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{}` | {} | {default} | {} |", option.name, cell(&option.kind), cell(&option.doc));
    }
    table
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
