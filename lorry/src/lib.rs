#![doc = include_str!("../README.md")]

pub use lorry_core::*;
#[cfg(feature = "mqtt")]
pub use lorry_mqtt as mqtt;
#[cfg(feature = "_net")]
pub use lorry_net as net;
#[cfg(feature = "_sql")]
pub use lorry_sql as sql;

use lorry_core::registry::Registry;

/// A registry with the operators and with every connector whose feature is on. A program that wants to choose by itself starts
/// from [`Registry::new`] and calls `register` of each connector crate.
///
/// ```
/// let registry = lorry::registry_with_defaults();
/// # #[cfg(feature = "net-test")]
/// assert!(registry.source("test://?count=3").is_ok());
/// assert!(registry.source("nosuch://").is_err());
/// ```
pub fn registry_with_defaults() -> Registry {
    #[allow(unused_mut, reason = "without a feature there is nothing to add")]
    let mut registry = Registry::new();
    #[cfg(feature = "mqtt")]
    lorry_mqtt::register(&mut registry);
    #[cfg(feature = "_net")]
    lorry_net::register(&mut registry);
    #[cfg(feature = "_sql")]
    lorry_sql::register(&mut registry);
    registry
}

/// The example of the project's own page compiles and runs.
#[cfg(all(doctest, feature = "net-null", feature = "net-test"))]
#[doc = include_str!("../../README.md")]
struct ReadmeOfTheProject;
