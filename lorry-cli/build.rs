//! Tells `lorry info` what it is linked with: the target, and the versions of the client crates from the lock file of the workspace.
//! A package from the registry has no such file beside it; then only what a library says of itself at run time is shown.

use std::path::Path;

/// Client crates worth a line, and the feature that links each.
const CLIENTS: [(&str, &str); 5] = [
    ("rumqttc", "MQTT"),
    ("tokio-postgres", "POSTGRES"),
    ("libsqlite3-sys", "SQLITE"),
    ("jaq-core", "JQ"),
    ("minijinja", "TEMPLATE"),
];

fn main() {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let lock = Path::new(&var("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    let text = std::fs::read_to_string(&lock).unwrap_or_default();
    if !text.is_empty() {
        println!("cargo::rerun-if-changed={}", lock.display());
    }
    let linked = CLIENTS.iter().filter(|(_, feature)| std::env::var_os(format!("CARGO_FEATURE_{feature}")).is_some());
    let versions = linked.filter_map(|(name, _)| Some(format!("{name} {}", locked(&text, name)?)));
    println!("cargo::rustc-env=LORRY_CLIENTS={}", versions.collect::<Vec<_>>().join(", "));
    println!("cargo::rustc-env=LORRY_TARGET={}", var("TARGET"));
}

/// The version of a package in a lock file.
fn locked<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let after = text.split_once(&format!("\nname = \"{name}\"\nversion = \""))?.1;
    after.split('"').next()
}
