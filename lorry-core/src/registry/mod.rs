//! Elements by name and by scheme, their typed options, and the addresses that people type.

mod args;
mod docs;
mod options;
#[allow(clippy::module_inception)]
mod registry;
pub(crate) mod secrets;
mod shared;
mod spec;
mod types;
mod uri;

pub use args::{Args, Login, ProcessEnvironment, Resolver};
pub use docs::options_table;
pub use options::Options;
pub use registry::{Element, Registry};
pub use shared::{Batching, Content, media_type};
pub use spec::{ElementSpec, OptionSpec, Role};
pub use types::{Secret, Size, Span};
pub use uri::{Host, Uri, redact};

pub(crate) use secrets::without_logins;
pub(crate) use uri::is_secret as is_secret_name;

#[cfg(test)]
mod tests;
