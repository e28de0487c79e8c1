//! Where a message came from.

use std::fmt;
use std::sync::Arc;

/// Topic, routing key, subject, peer or path. Cheap to clone; the empty address takes no memory.
///
/// ```
/// use lorry_core::Address;
/// let address = Address::from("sensors/kitchen/temperature");
/// assert_eq!(address.levels().nth(1), Some("kitchen"));
/// assert!(Address::default().is_empty());
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Option<Arc<str>>);

impl Address {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// The levels between slashes.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.as_str().split('/')
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Arc<str>> for Address {
    fn from(text: Arc<str>) -> Self {
        Self((!text.is_empty()).then_some(text))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
