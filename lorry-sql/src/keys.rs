//! Which column a key of a message means.

use crate::cells::Rows;
use crate::options::Evolve;
use crate::table::{Dialect, Table};
use lorry_core::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};

/// A spelling of a column's name, by number.
pub(crate) type KeyId = u32;

/// Ignored keys beyond this many are looked up each time: a stream may never stop inventing names.
const MOST_IGNORED: usize = 4_096;

/// All spellings seen so far. The keys of a stream's messages mostly come in one order, so the key that followed last time is tried
/// before any hash.
#[derive(Debug)]
pub(crate) struct Keys {
    dialect: &'static dyn Dialect,
    evolve: Evolve,
    keys: Vec<Key>,
    by_spelling: HashMap<Box<str>, KeyId>,
    /// Columns of `Rows`, by folded name.
    columns: HashMap<String, usize>,
    /// Columns of the table, by folded name: as the table spells them.
    table: HashMap<String, String>,
    /// Columns that take no values, folded.
    computed: HashSet<String>,
    /// The table is a view, which gets no columns.
    is_view: bool,
    ignored: usize,
    /// How many columns the table will have.
    width: usize,
    first: KeyId,
    last: Option<KeyId>,
}

#[derive(Debug)]
struct Key {
    spelling: Box<str>,
    /// `None` for one that is left out.
    column: Option<usize>,
    next: KeyId,
}

const NO_KEY: KeyId = KeyId::MAX;

impl Keys {
    /// No keys yet, for a table that looks like this; `None` for one that is to be made.
    pub(crate) fn new(dialect: &'static dyn Dialect, evolve: Evolve, table: Option<&Table>) -> Self {
        let mut keys = Self {
            dialect,
            evolve,
            keys: Vec::new(),
            by_spelling: HashMap::new(),
            columns: HashMap::new(),
            table: HashMap::new(),
            computed: HashSet::new(),
            is_view: false,
            ignored: 0,
            width: 0,
            first: NO_KEY,
            last: None,
        };
        if let Some(table) = table {
            keys.learn(table);
        }
        keys
    }

    /// Takes note of the columns that the table has.
    pub(crate) fn learn(&mut self, table: &Table) {
        self.table =
            table.columns.iter().map(|column| (fold(self.dialect, &column.name), column.name.clone())).collect();
        self.is_view = table.is_view;
        self.computed = table.computed.iter().map(|name| fold(self.dialect, name)).collect();
        self.width = table.width + self.columns.keys().filter(|name| !self.table.contains_key(*name)).count();
    }

    /// Whether new keys become columns from now on.
    pub(crate) fn evolve(&mut self, evolve: Evolve) {
        self.evolve = evolve;
    }

    /// A new row begins.
    pub(crate) fn begin_row(&mut self) {
        self.last = None;
    }

    /// How many keys there are; to [come back to](Self::rewind).
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Forgets the keys that came after the first `len`, whose columns are gone again.
    pub(crate) fn rewind(&mut self, len: usize, columns: usize) {
        for key in self.keys.drain(len..) {
            self.by_spelling.remove(&key.spelling);
            self.ignored -= usize::from(key.column.is_none());
        }
        let before = self.columns.len();
        let table = &self.table;
        let mut narrower = 0;
        self.columns.retain(|name, column| {
            let keep = *column < columns;
            narrower += usize::from(!keep && !table.contains_key(name));
            keep
        });
        if before != self.columns.len() {
            self.width -= narrower;
        }
        self.last = None;
    }

    /// The column of this key, `None` when it is left out; it is added to the rows when it is new and may be added.
    ///
    /// # Errors
    /// Class `data`: the key cannot be a column, or must not become one.
    pub(crate) fn find(&mut self, name: &str, rows: &mut Rows) -> Result<Option<usize>> {
        let expected = match self.last {
            None => self.first,
            Some(last) => self.keys[last as usize].next,
        };
        let key = match self.keys.get(expected as usize) {
            Some(key) if *key.spelling == *name => expected,
            _ => {
                let Some(key) = self.look_up(name, rows)? else {
                    return Ok(None);
                };
                match self.last {
                    None => self.first = key,
                    Some(last) => self.keys[last as usize].next = key,
                }
                key
            }
        };
        self.last = Some(key);
        Ok(self.keys[key as usize].column)
    }

    fn look_up(&mut self, name: &str, rows: &mut Rows) -> Result<Option<KeyId>> {
        if let Some(key) = self.by_spelling.get(name) {
            return Ok(Some(*key));
        }
        let folded = fold(self.dialect, name);
        let column = self.column(name, &folded, rows)?;
        match column {
            Some(column) => _ = self.columns.insert(folded, column),
            None if self.ignored >= MOST_IGNORED => return Ok(None),
            None => self.ignored += 1,
        }
        let key = self.keys.len() as KeyId;
        self.keys.push(Key { spelling: name.into(), column, next: NO_KEY });
        self.by_spelling.insert(name.into(), key);
        Ok(Some(key))
    }

    /// The column that this key fills: one there is, or a new one.
    fn column(&mut self, name: &str, folded: &str, rows: &mut Rows) -> Result<Option<usize>> {
        let known = self.columns.get(folded).copied();
        let spelling = known.map(|column| rows.columns()[column].name.as_str());
        match (spelling.or_else(|| self.table.get(folded).map(String::as_str)), self.evolve) {
            (Some(spelling), _) if spelling == name => {
                Ok(Some(known.unwrap_or_else(|| rows.add_column(name.to_owned()))))
            }
            (_, Evolve::Ignore) => Ok(None),
            _ if self.computed.contains(folded) => Err(is_computed(name)),
            (Some(spelling), _) => Err(in_another_case(self.dialect, name, spelling)),
            (None, Evolve::Add) if self.is_view => {
                let text = format!("a view gets no column for the key {:?}", shown(name));
                Err(Error::data(ErrorKind::Constraint, "insert rows", text).hint("evolve=ignore leaves new keys out"))
            }
            (None, Evolve::Add) => {
                self.dialect.check_name(name)?;
                if self.width >= self.dialect.most_columns() {
                    let text = format!("the key {name:?} would be column {}", self.width + 1);
                    return Err(Error::data(ErrorKind::Constraint, "add a column", text)
                        .with("most in a table", self.dialect.most_columns())
                        .hint("evolve=ignore leaves new keys out"));
                }
                self.width += 1;
                Ok(Some(rows.add_column(name.to_owned())))
            }
            (None, Evolve::Fail) => {
                let text = format!("the table has no column {:?}", shown(name));
                Err(Error::data(ErrorKind::Constraint, "insert rows", text)
                    .hint("evolve=add adds columns, evolve=ignore leaves new keys out"))
            }
        }
    }
}

/// A key whose column another key has: not told apart by the database, they would end in one column without a word.
pub(crate) fn in_another_case(dialect: &dyn Dialect, name: &str, column: &str) -> Error {
    let text =
        format!("the key {:?} differs from the column {:?} in upper and lower case only", shown(name), shown(column));
    Error::data(ErrorKind::Constraint, "insert rows", text).hint(format!(
        "{} does not tell them apart; rename the key or the column, or evolve=ignore leaves the key out",
        dialect.name()
    ))
}

/// A key whose value nobody but the database says.
pub(crate) fn is_computed(name: &str) -> Error {
    let text = format!("the database computes the column {:?} and takes no values for it", shown(name));
    Error::data(ErrorKind::Constraint, "insert rows", text).hint("drop the key; evolve=ignore leaves it out")
}

/// Enough of a name for an error.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// A name as the database compares it.
pub(crate) fn fold(dialect: &dyn Dialect, name: &str) -> String {
    if dialect.folds_case() { name.to_ascii_lowercase() } else { name.to_owned() }
}
