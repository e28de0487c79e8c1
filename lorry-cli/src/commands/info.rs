//! `lorry info`.

use crate::exit::Outcome;
use crate::output;
use crate::registry::{features, registry, sqlite_version};
use lorry::registry::ElementSpec;
use std::fmt::Write;

/// Prints version, features, platform and the linked clients: what a bug report needs.
pub(crate) fn run() -> Outcome {
    let mut text = format!("lorry {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        let value = if value.is_empty() { "none" } else { value };
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("platform", env!("LORRY_TARGET"));
    line("build", if cfg!(debug_assertions) { "debug" } else { "release" });
    line("features", &features().join(", "));
    let sqlite = sqlite_version().map(|version| format!("SQLite {version}"));
    let clients =
        [sqlite.as_deref(), option_env!("LORRY_CLIENTS")].into_iter().flatten().filter(|text| !text.is_empty());
    line("clients", &clients.collect::<Vec<_>>().join(", "));
    let registry = registry();
    let mut schemes: Vec<_> = registry.elements().flat_map(ElementSpec::scheme_names).copied().collect();
    schemes.sort_unstable();
    schemes.dedup();
    line("schemes", &schemes.join(" "));
    output::stdout(&text)
}
