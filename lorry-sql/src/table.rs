//! Tables: names, quoting, the columns a database says it has, and the words of its language.

use crate::kinds::Kind;
use lorry_core::{Error, ErrorKind, Result};
use std::fmt;

/// A table's name, with the schema it lies in where one was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl TableName {
    /// From `table`, `schema.table` or either part in double quotes (`"my schema".table`; a doubled quote is a quote).
    ///
    /// # Errors
    /// [`Usage`](ErrorKind::Usage): an empty part, an open quote, more than two parts.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::usage(format!("table name {text:?} {what}"))
                .hint("write table, schema.table, or \"any name\" in double quotes")
        };
        let (mut parts, mut rest) = (Vec::new(), text);
        loop {
            let part = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let (part, after) = unquote(quoted).ok_or_else(|| wrong("has an open quote"))?;
                    rest = after;
                    part
                }
                None => {
                    let end = rest.find('.').unwrap_or(rest.len());
                    let part = rest[..end].to_owned();
                    rest = &rest[end..];
                    part
                }
            };
            if part.is_empty() {
                return Err(wrong("is empty or has an empty part"));
            }
            if part.contains('\0') {
                return Err(wrong("holds a NUL character"));
            }
            parts.push(part);
            match rest.strip_prefix('.') {
                Some(after) => rest = after,
                None if rest.is_empty() => break,
                None => return Err(wrong("goes on after its closing quote")),
            }
        }
        match (parts.pop(), parts.pop(), parts.pop()) {
            (Some(name), schema, None) => Ok(Self { schema, name }),
            _ => Err(wrong("has more than two parts")),
        }
    }
}

fn unquote(text: &str) -> Option<(String, &str)> {
    let (mut out, mut rest) = (String::new(), text);
    loop {
        let (before, after) = rest.split_once('"')?;
        out.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                out.push('"');
                rest = after;
            }
            None => return Some((out, after)),
        }
    }
}

/// For messages: unquoted.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A column that the database has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    /// As the database spells it.
    pub(crate) name: String,
    /// Its type, as the database names it.
    pub(crate) type_name: String,
    /// The database's own number for what the writer needs to know of the type: an OID, an affinity.
    pub(crate) type_id: u32,
    /// Of 64-bit integers, since a relay saw nothing else when it made the column: wider when it has to be.
    pub(crate) widens: bool,
}

/// A table as the database describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: TableName,
    /// The columns that can be written, in their order.
    pub(crate) columns: Vec<TableColumn>,
    /// Names of the other ones, whose values the database computes.
    pub(crate) computed: Vec<String>,
    /// How many columns count towards [the most](Dialect::most_columns) there can be.
    pub(crate) width: usize,
    /// A view: it gets no columns by way of its rows.
    pub(crate) is_view: bool,
    /// The name of the type of its rows, quoted and with its schema; empty where the database has no such types.
    pub(crate) row_type: String,
}

/// The words of one database's SQL.
pub(crate) trait Dialect: Send + Sync + fmt::Debug {
    /// The database's name, for people.
    fn name(&self) -> &'static str;

    /// The type of a new column.
    fn column_type(&self, kind: Kind) -> &'static str;

    /// Most bytes in a name.
    fn longest_name(&self) -> usize;

    /// Most columns in a table.
    fn most_columns(&self) -> usize;

    /// Names that no new column can have, exactly as spelt: every table has a column of its own under them.
    fn system_columns(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether names that differ only in the case of their ASCII letters are one.
    fn folds_case(&self) -> bool {
        false
    }

    /// A name in quotes.
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    /// A table's name in quotes.
    fn quote_table(&self, table: &TableName) -> String {
        match &table.schema {
            Some(schema) => format!("{}.{}", self.quote(schema), self.quote(&table.name)),
            None => self.quote(&table.name),
        }
    }

    /// Makes a table where there is none.
    fn create(&self, table: &TableName, columns: &[(&str, Kind)]) -> String {
        let columns: Vec<_> =
            columns.iter().map(|(name, kind)| format!("{} {}", self.quote(name), self.column_type(*kind))).collect();
        format!("CREATE TABLE IF NOT EXISTS {} ({})", self.quote_table(table), columns.join(", "))
    }

    /// Adds a column. If another process was faster, an error does no harm: the table is described again.
    fn add_column(&self, table: &TableName, column: &str, kind: Kind) -> String {
        format!("ALTER TABLE {} ADD COLUMN {} {}", self.quote_table(table), self.quote(column), self.column_type(kind))
    }

    /// Removes all rows.
    fn empty(&self, table: &TableName) -> String {
        format!("DELETE FROM {}", self.quote_table(table))
    }

    /// Whether a name can be a column.
    ///
    /// # Errors
    /// Why not; class `data`, since names come from messages.
    fn check_name(&self, name: &str) -> Result<()> {
        let wrong = |what: String| {
            let shown: String = name.chars().take(40).collect();
            Err(Error::data(ErrorKind::Constraint, "make a column", format!("the key {shown:?} {what}")))
        };
        match name {
            "" => wrong("is empty".into()),
            _ if name.len() > self.longest_name() => wrong(format!(
                "has {} bytes; a name in {} has at most {}",
                name.len(),
                self.name(),
                self.longest_name()
            )),
            _ if name.contains('\0') => wrong("holds a NUL character".into()),
            _ if self.system_columns().contains(&name) => {
                wrong(format!("is the name of a system column, which every table in {} has", self.name()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_with_and_without_schema() {
        let name = |text: &str| TableName::parse(text).unwrap();
        assert_eq!(name("testdrive-queue-42"), TableName { schema: None, name: "testdrive-queue-42".into() });
        assert_eq!(name("schema.foo"), TableName { schema: Some("schema".into()), name: "foo".into() });
        assert_eq!(name("\"my schema\".foo"), TableName { schema: Some("my schema".into()), name: "foo".into() });
        assert_eq!(name("\"a.b \"\"c\"\"\""), TableName { schema: None, name: "a.b \"c\"".into() });
        assert_eq!(name("grün weiß"), TableName { schema: None, name: "grün weiß".into() });
    }

    #[test]
    fn names_that_are_none() {
        for text in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"a\"b", "\"\"", "a\0b"] {
            assert_eq!(TableName::parse(text).unwrap_err().kind(), ErrorKind::Usage, "{text}");
        }
    }
}
