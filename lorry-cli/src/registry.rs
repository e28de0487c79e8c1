//! What this build of the program can relay.

use lorry::registry::{ProcessEnvironment, Registry};

/// All elements of this build. `${NAME}`, `password-env=` and `password-file=` are looked up in the process's own environment.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.resolve_with(ProcessEnvironment);
    registry
}

/// The cargo features of this build.
pub(crate) fn features() -> Vec<&'static str> {
    Vec::new()
}

/// The version of the SQLite that is linked, as it says itself.
pub(crate) fn sqlite_version() -> Option<&'static str> {
    None
}
