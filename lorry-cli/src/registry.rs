//! What this build of the program can relay.

use lorry::registry::{ProcessEnvironment, Registry};

/// All elements of this build. `${NAME}`, `password-env=` and `password-file=` are looked up in the process's own environment.
pub(crate) fn registry() -> Registry {
    let mut registry = lorry::registry_with_defaults();
    registry.resolve_with(ProcessEnvironment);
    registry
}

/// The cargo features of this build.
pub(crate) fn features() -> Vec<&'static str> {
    let all = [
        ("jq", cfg!(feature = "jq")),
        ("mqtt", cfg!(feature = "mqtt")),
        ("net", cfg!(feature = "net")),
        ("postgres", cfg!(feature = "postgres")),
        ("sqlite", cfg!(feature = "sqlite")),
        ("template", cfg!(feature = "template")),
    ];
    all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}

/// The version of the SQLite that is linked, as it says itself.
pub(crate) fn sqlite_version() -> Option<&'static str> {
    #[cfg(feature = "sqlite")]
    return Some(rusqlite::version());
    #[cfg(not(feature = "sqlite"))]
    None
}
