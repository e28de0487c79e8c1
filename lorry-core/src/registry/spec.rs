//! What the registry knows about an element: its names, its options, how to make it.

use super::args::Args;
use crate::flow::Operator;
use crate::relay::{Sink, Source};
use crate::{Message, Result};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

/// Whether an element is a source, an operator or a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has only an output.
    Source,
    /// Has input and output.
    Operator,
    /// Has only an input.
    Sink,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Sink => "sink",
        })
    }
}

type Make<T> = Arc<dyn Fn(&mut Args) -> Result<T> + Send + Sync>;
type MakeJoin = Arc<dyn Fn(&mut Args, usize) -> Result<Box<dyn Operator<(usize, Message), Message>>> + Send + Sync>;

/// How an element is made from its arguments. Nothing is opened: no socket, no file.
#[derive(Clone)]
pub(crate) enum Maker {
    Source(Make<Box<dyn Source>>),
    Operator(Make<Box<dyn Operator<Message>>>),
    Join(MakeJoin),
    /// Nothing is made of it but branches.
    Tee,
    Sink(Make<Box<dyn Sink>>),
}

/// An element: everything that `inspect`, `check`, the parsers and the documentation know about it.
///
/// ```
/// use lorry_core::registry::ElementSpec;
///
/// #[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema, Default)]
/// #[serde(default, rename_all = "kebab-case")]
/// struct NullOptions {
///     /// Say what was thrown away.
///     verbose: bool,
/// }
///
/// let spec = ElementSpec::sink("voidsink", |args| {
///     let _options: NullOptions = args.take()?;
///     # Err(lorry_core::Error::usage("not in this example"))
/// })
/// .schemes(&["void"])
/// .about("throws everything away")
/// .options::<NullOptions>();
/// assert_eq!(spec.option_specs()[0].name, "verbose");
/// ```
#[derive(Clone)]
pub struct ElementSpec {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) schemes: &'static [&'static str],
    pub(crate) about: &'static str,
    pub(crate) alias_of: Option<&'static str>,
    pub(crate) docs: &'static str,
    pub(crate) options: Vec<OptionSpec>,
    pub(crate) maker: Maker,
    pub(crate) opaque: bool,
    pub(crate) bare_path: bool,
    pub(crate) optional_location: bool,
    pub(crate) least_inputs: usize,
}

/// One option of an element, as its struct describes it.
#[derive(Clone, Debug, Serialize)]
pub struct OptionSpec {
    /// Its name, in kebab-case.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `duration`, `size`, `secret`, `list of …`, or the values it may have.
    #[serde(rename = "type")]
    pub kind: String,
    /// What holds when it is not given; `None` where that is "nothing".
    pub default: Option<String>,
    /// What it means: the field's documentation.
    pub doc: String,
}

impl ElementSpec {
    /// A source of this element name (`mqttsrc`).
    pub fn source(
        name: &'static str,
        make: impl Fn(&mut Args) -> Result<Box<dyn Source>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, Role::Source, Maker::Source(Arc::new(make)))
    }

    /// A sink of this element name (`sqlsink`).
    pub fn sink(name: &'static str, make: impl Fn(&mut Args) -> Result<Box<dyn Sink>> + Send + Sync + 'static) -> Self {
        Self::new(name, Role::Sink, Maker::Sink(Arc::new(make)))
    }

    /// An operator of this element name (`filter`).
    pub fn operator(
        name: &'static str,
        make: impl Fn(&mut Args) -> Result<Box<dyn Operator<Message>>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, Role::Operator, Maker::Operator(Arc::new(make)))
    }

    /// An operator of this element name that joins several inputs (`zip`). The maker also gets how many there are, at least two; what
    /// comes is tagged with the number of its input, from 0.
    ///
    /// ```
    /// use lorry_core::flow::{Item, Operator, Output};
    /// use lorry_core::registry::{ElementSpec, Registry};
    /// use lorry_core::Message;
    ///
    /// /// Writes on each message which input it came on.
    /// struct Marked;
    ///
    /// impl Operator<(usize, Message), Message> for Marked {
    ///     fn push(&mut self, item: Item<(usize, Message)>, out: &mut Output<'_, Message>) {
    ///         let (input, message) = item.value;
    ///         out.emit(message.header("input", input as i64), item.token);
    ///     }
    /// }
    ///
    /// let mut registry = Registry::new();
    /// registry.add(ElementSpec::join("marked", |_args, _inputs| Ok(Box::new(Marked))).about("says where messages came from"));
    /// assert!(registry.element("marked").unwrap().joins());
    /// ```
    pub fn join(
        name: &'static str,
        make: impl Fn(&mut Args, usize) -> Result<Box<dyn Operator<(usize, Message), Message>>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, Role::Operator, Maker::Join(Arc::new(make)))
    }

    /// A join does with one input too: it passes on what comes.
    #[must_use]
    pub fn one_input_will_do(mut self) -> Self {
        self.least_inputs = 1;
        self
    }

    /// The element that branches.
    pub(crate) fn tee(name: &'static str) -> Self {
        Self::new(name, Role::Operator, Maker::Tee)
    }

    fn new(name: &'static str, role: Role, maker: Maker) -> Self {
        Self {
            name,
            role,
            schemes: &[],
            about: "",
            alias_of: None,
            docs: "",
            options: Vec::new(),
            maker,
            opaque: false,
            bare_path: false,
            optional_location: false,
            least_inputs: 2,
        }
    }

    /// The URI schemes it answers to; the first is the one shown in examples.
    #[must_use]
    pub fn schemes(mut self, schemes: &'static [&'static str]) -> Self {
        self.schemes = schemes;
        self
    }

    /// One line for lists: what it does.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// It is the element of this name, under another one.
    #[must_use]
    pub fn alias_of(mut self, name: &'static str) -> Self {
        self.alias_of = Some(name);
        self
    }

    /// Its page of documentation, in Markdown.
    #[must_use]
    pub fn docs(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// Adds the options of a struct: its fields, their types, defaults and documentation. `make` must [take](Args::take) the same.
    #[must_use]
    pub fn options<T: JsonSchema>(mut self) -> Self {
        let schema = SchemaSettings::default()
            .with(|settings| settings.inline_subschemas = true)
            .into_generator()
            .into_root_schema_for::<T>();
        self.options.extend(option_specs(schema.as_value()));
        self
    }

    /// What follows the scheme is one text with a grammar of its own, without options (`exec:COMMAND`).
    #[must_use]
    pub fn opaque(mut self) -> Self {
        self.opaque = true;
        self
    }

    /// `location=` may be a bare path in place of an address (`filesrc location=in.txt`).
    #[must_use]
    pub fn bare_path(mut self) -> Self {
        self.bare_path = true;
        self
    }

    /// It needs no `location=` in launch text (`testsrc`, `nullsink`).
    #[must_use]
    pub fn optional_location(mut self) -> Self {
        self.optional_location = true;
        self
    }

    /// Its element name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Source, operator or sink.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether it is an operator that takes any number of inputs.
    pub fn joins(&self) -> bool {
        matches!(self.maker, Maker::Join(_))
    }

    /// How many inputs it needs at least; for one that joins several.
    pub(crate) fn least_inputs(&self) -> usize {
        self.least_inputs
    }

    /// Whether it gives what it takes to any number of branches.
    pub fn branches(&self) -> bool {
        matches!(self.maker, Maker::Tee)
    }

    /// The URI schemes it answers to.
    pub fn scheme_names(&self) -> &'static [&'static str] {
        self.schemes
    }

    /// What it does, in one line.
    pub fn about_text(&self) -> &'static str {
        self.about
    }

    /// The element that this is another name of.
    pub fn alias(&self) -> Option<&'static str> {
        self.alias_of
    }

    /// Its page of documentation.
    pub fn docs_text(&self) -> &'static str {
        self.docs
    }

    /// Its options, those shared by all elements of its role included once it is registered.
    pub fn option_specs(&self) -> &[OptionSpec] {
        &self.options
    }
}

impl fmt::Debug for ElementSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElementSpec")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("schemes", &self.schemes)
            .finish()
    }
}

fn option_specs(schema: &Json) -> Vec<OptionSpec> {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return Vec::new() };
    properties
        .iter()
        .map(|(name, property)| OptionSpec {
            name: name.clone(),
            kind: kind(property),
            default: property.get("default").and_then(default_text),
            doc: property.get("description").and_then(Json::as_str).unwrap_or_default().replace('\n', " "),
        })
        .collect()
}

fn default_text(default: &Json) -> Option<String> {
    match default {
        Json::Null => None,
        Json::String(text) if text.is_empty() => None,
        Json::Array(values) if values.is_empty() => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn kind(property: &Json) -> String {
    let names = |values: &Vec<Json>| values.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" | ");
    if let Some(format @ ("duration" | "size" | "secret")) = property.get("format").and_then(Json::as_str) {
        return format.to_owned();
    }
    if let Some(values) = property.get("enum").and_then(Json::as_array) {
        return names(values);
    }
    for union in ["oneOf", "anyOf"] {
        if let Some(variants) = property.get(union).and_then(Json::as_array) {
            let variants = variants.iter().filter(|variant| variant.get("type") != Some(&Json::from("null")));
            let shown = variants.map(|variant| match variant.get("const").and_then(Json::as_str) {
                Some(text) => text.to_owned(),
                None => kind(variant),
            });
            return shown.collect::<Vec<_>>().join(" | ");
        }
    }
    match property.get("type") {
        Some(Json::String(text)) if text == "array" => {
            format!("list of {}", property.get("items").map_or("string".into(), kind))
        }
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(types)) => {
            let types = types.iter().filter(|text| **text != "null").cloned().collect::<Vec<_>>();
            names(&types)
        }
        _ => "string".to_owned(),
    }
}
