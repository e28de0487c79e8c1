//! Pages of documentation, held to the elements they are about.

use lorry_core::registry::{ElementSpec, Registry, options_table};
use std::fmt::Write;

/// Checks the pages of all elements that this function adds: each holds the [table of options](options_table) literally, speaks of
/// guarantee, order, headers and of what happens when something fails, and every option and every element says what it is.
///
/// # Panics
/// Something is missing. The message has the tables as they are to be put into the pages.
///
/// ```should_panic
/// use lorry_core::registry::{Args, ElementSpec};
///
/// let make = |_: &mut Args| Err(lorry_core::Error::usage("not in this example"));
/// lorry_testkit::assert_pages(|registry| registry.add(ElementSpec::sink("voidsink", make).docs("A sink.")));
/// ```
pub fn assert_pages(register: impl FnOnce(&mut Registry)) {
    let mut registry = Registry::new();
    let before: Vec<_> = registry.elements().map(ElementSpec::name).collect();
    register(&mut registry);
    let mut missing = String::new();
    for spec in registry.elements().filter(|spec| !before.contains(&spec.name())) {
        let (name, page) = (spec.name(), spec.docs_text());
        let mut miss = |what: &str| _ = writeln!(missing, "{name}: {what}");
        let table = options_table(spec);
        if !page.contains(&table) {
            miss(&format!("its page does not hold this table:\n{table}"));
        }
        let lower = page.to_lowercase();
        for part in ["guarantee", "order", "headers", "when something fails"] {
            if !lower.contains(part) {
                miss(&format!("its page does not speak of {part:?}"));
            }
        }
        if spec.about_text().is_empty() {
            miss("no line says what it is");
        }
        for option in spec.option_specs().iter().filter(|option| option.doc.is_empty()) {
            miss(&format!("nothing says what the option {:?} is", option.name));
        }
    }
    assert!(missing.is_empty(), "{missing}");
}
