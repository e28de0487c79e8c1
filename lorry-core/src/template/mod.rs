//! Templates in addresses of sinks: `{{ topic[1] }}` in a table, a topic, a routing key, a path.

#[cfg(feature = "template")]
mod engine;
#[cfg(feature = "template")]
mod values;

#[cfg(all(test, feature = "template"))]
mod tests;

use crate::{Message, Result};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A text that may depend on the message: `{{ topic }}`, `{{ topic[1] }}` (levels; `[-1]` is the last), `{{ key }}`, `{{ header.x }}`,
/// `{{ payload.device }}`, `{{ timestamp }}` (RFC 3339; `{{ timestamp[:10] }}` is the date). The language is Jinja's, with its filters:
/// `{{ payload.device | default('unknown') }}`.
///
/// A text without `{{` is constant and costs nothing. The payload is only parsed where a template asks for it. What a message does
/// not have is an error, never an empty string or `none`.
///
/// Without this crate's feature `template` only constants parse.
///
/// ```
/// use lorry_core::{Message, Template};
///
/// let table = Template::parse("readings")?;
/// assert_eq!(table.constant(), Some("readings"));
/// # #[cfg(feature = "template")] {
/// let table = Template::parse("from_{{ topic[1] }}")?;
/// assert_eq!(table.render(&Message::new("21.5").at("sensors/kitchen/temperature"))?, "from_kitchen");
/// let error = table.render(&Message::new("21.5").at("sensors")).unwrap_err();
/// assert_eq!(error.class(), lorry_core::Class::Data);
/// # }
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Template {
    text: Arc<str>,
    #[cfg(feature = "template")]
    engine: Option<Arc<engine::Engine>>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage): a syntax error and its place, a variable or filter that does not exist; or any `{{` when
    /// the feature `template` is off.
    pub fn parse(text: &str) -> Result<Self> {
        #[cfg(feature = "template")]
        {
            let engine = is_template(text).then(|| engine::Engine::parse(text).map(Arc::new)).transpose()?;
            Ok(Self { text: text.into(), engine })
        }
        #[cfg(not(feature = "template"))]
        if is_template(text) {
            Err(crate::Error::usage(format!("{text:?} is a template, and this program was built without templates"))
                .hint("build it with the feature \"template\""))
        } else {
            Ok(Self { text: text.into() })
        }
    }

    /// The text itself, if it is the same for all messages.
    pub fn constant(&self) -> Option<&str> {
        #[cfg(feature = "template")]
        if self.engine.is_some() {
            return None;
        }
        Some(&self.text)
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text for this message.
    ///
    /// # Errors
    /// Of class [`Data`](crate::Class::Data), naming the template and the message's address: the message lacks what the template asks
    /// for, or its payload is not JSON, or the rendering takes too long.
    #[cfg_attr(not(feature = "template"), allow(unused_variables))]
    pub fn render(&self, message: &Message) -> Result<Cow<'_, str>> {
        #[cfg(feature = "template")]
        if let Some(engine) = &self.engine {
            return engine.render(&self.text, message).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(&self.text))
    }
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

impl FromStr for Template {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Template {}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.text)
    }
}
