//! The options of the SQL sinks.

use crate::target::Target;
use lorry_core::registry::{Args, media_type};
use lorry_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;

/// What to do with a table that exists when the relay starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IfExists {
    /// Add to it.
    #[default]
    Append,
    /// Empty it once, at the first successful connection of the process; never at a reconnect. Refused for a relay with a name.
    Replace,
    /// Refuse to start.
    Fail,
}

/// What to do with a key that the table has no column for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evolve {
    /// Add the column.
    #[default]
    Add,
    /// Leave the key out.
    Ignore,
    /// Refuse the message.
    Fail,
}

/// Options that all databases share.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct TableOptions {
    /// The table, or `schema.table`; double quotes around a name with dots in it. A template makes it depend on the message:
    /// `{{ topic[1] }}`. Required.
    table: Option<String>,
    /// The schema the table lies in; may be a template, too.
    schema: Option<String>,
    /// A table that exists: `append` to it, `replace` its rows (once, when the process connects for the first time; refused with
    /// `--name`), or `fail` to start.
    if_exists: IfExists,
    /// A key that has no column: `add` one, `ignore` the key, or `fail` the message. A table that is missing is made from the first
    /// message in any case.
    evolve: Evolve,
    /// Fields of the message as columns: `ts:timestamp,topic:address`; also `key`, `content-type` and `header.NAME`. They win over a
    /// key of the same name.
    columns: Vec<String>,
    /// What all payloads are: `json` refuses everything but objects and arrays of objects, `text` and `bytes` go unread into the
    /// column `payload`. Without it, what looks like JSON is JSON, unless the message says otherwise.
    content_type: Option<String>,
}

/// A field of a message that becomes a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Address,
    Key,
    Timestamp,
    ContentType,
    Header(String),
}

/// What payloads are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// What looks like JSON is JSON.
    Guess,
    /// JSON or refused.
    Json,
    /// Not looked into.
    Opaque,
}

impl Content {
    pub(crate) fn of_media_type(media_type: &str) -> Self {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        match essence {
            "application/json" => Self::Json,
            "application/octet-stream" => Self::Opaque,
            _ if essence.starts_with("text/") => Self::Opaque,
            _ if essence.ends_with("+json") => Self::Json,
            _ => Self::Guess,
        }
    }
}

/// The shared options, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) if_exists: IfExists,
    pub(crate) evolve: Evolve,
    /// Column names and the fields that fill them.
    pub(crate) fields: Vec<(String, Field)>,
    /// What the sink was told that payloads are.
    pub(crate) content: Option<Content>,
}

impl Settings {
    /// Takes the shared options.
    ///
    /// # Errors
    /// [`Usage`](lorry_core::ErrorKind::Usage): no table, a value that does not fit.
    pub(crate) fn take(args: &mut Args) -> Result<Self> {
        let options: TableOptions = args.take()?;
        let text = options.table.unwrap_or_default();
        if text.trim().is_empty() {
            let error = Error::usage(format!("a table is required for {}", args.uri()));
            return Err(
                error.hint(format!("write {}://…?table=NAME (see: lorry inspect sqlsink)", args.uri().scheme()))
            );
        }
        if options.schema.as_deref() == Some("") {
            return Err(Error::usage("option \"schema\" is empty"));
        }
        let target = Target::parse(&text, options.schema.as_deref())?;
        let fields: Vec<_> =
            options.columns.iter().flat_map(|list| list.split(',')).map(field).collect::<Result<_>>()?;
        let mut columns = HashSet::new();
        if let Some((twice, _)) = fields.iter().find(|(column, _)| !columns.insert(column)) {
            return Err(Error::usage(format!("option \"columns\" names the column {twice:?} twice")));
        }
        let content = options.content_type.map(|name| media_type(&name).map(Content::of_media_type)).transpose()?;
        Ok(Self { target, if_exists: options.if_exists, evolve: options.evolve, fields, content })
    }
}

fn field(text: &str) -> Result<(String, Field)> {
    let wrong = || {
        Error::usage(format!("option \"columns\": {text:?} is not COLUMN:FIELD"))
            .hint("fields are address, key, timestamp, content-type and header.NAME, such as columns=ts:timestamp,topic:address")
    };
    let (column, field) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
    let field = match field {
        "address" | "topic" => Field::Address,
        "key" => Field::Key,
        "timestamp" => Field::Timestamp,
        "content-type" => Field::ContentType,
        _ => Field::Header(field.strip_prefix("header.").filter(|name| !name.is_empty()).ok_or_else(wrong)?.to_owned()),
    };
    if column.is_empty() {
        return Err(wrong());
    }
    Ok((column.to_owned(), field))
}

/// Where a [`SqlSink`](crate::SqlSink) writes and how: an address as on the command line, and what to add to it. Nothing is checked
/// before the sink is opened.
///
/// ```
/// use lorry_sql::{Evolve, SqlOptions, SqlSink};
///
/// let sink = SqlSink::new(SqlOptions::new("sqlite:///hot.db").table("means").evolve(Evolve::Fail));
/// ```
#[derive(Clone)]
pub struct SqlOptions {
    pub(crate) address: String,
    pub(crate) properties: Vec<(String, String)>,
}

impl SqlOptions {
    /// Options for this address: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user:password@host/database`. It may
    /// hold options (`?table=…`); an option is given there or by a method, not both.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), properties: Vec::new() }
    }

    /// The table: `table`, `schema.table`, or either part in double quotes. With lorry-core's feature `template` it may depend on the
    /// message: `{{ topic[1] }}`.
    #[must_use]
    pub fn table(self, name: impl Into<String>) -> Self {
        self.set("table", name)
    }

    /// The schema that the table lies in.
    #[must_use]
    pub fn schema(self, name: impl Into<String>) -> Self {
        self.set("schema", name)
    }

    /// What to do with a table that exists when the relay starts. Default: [`IfExists::Append`].
    #[must_use]
    pub fn if_exists(self, what: IfExists) -> Self {
        let word = match what {
            IfExists::Append => "append",
            IfExists::Replace => "replace",
            IfExists::Fail => "fail",
        };
        self.set("if-exists", word)
    }

    /// What to do with a key that the table has no column for. Default: [`Evolve::Add`].
    #[must_use]
    pub fn evolve(self, what: Evolve) -> Self {
        let word = match what {
            Evolve::Add => "add",
            Evolve::Ignore => "ignore",
            Evolve::Fail => "fail",
        };
        self.set("evolve", word)
    }

    /// A field of the message as a column: `address`, `key`, `timestamp`, `content-type` or `header.NAME`. May be called several times.
    #[must_use]
    pub fn column(self, name: &str, field: &str) -> Self {
        self.set("columns", format!("{name}:{field}"))
    }

    /// Any other option, as in an address: `("busy-timeout", "30s")`, `("sslmode", "require")`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.properties.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn args(&self) -> Result<Args> {
        Args::parse(&self.address, &self.properties)
    }
}

/// Without passwords.
impl fmt::Debug for SqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("SqlOptions")
            .field("address", &lorry_core::registry::redact(&self.address))
            .field("set", &names)
            .finish()
    }
}
