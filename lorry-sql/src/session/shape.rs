//! Tables made, widened and paired with the rows that they are to take.

use super::{Known, Session};
use crate::keys::{fold, in_another_case, is_computed};
use crate::kinds::Kind;
use crate::options::Evolve;
use crate::rows::PAYLOAD;
use crate::table::Dialect;
use crate::writer::Pair;
use lorry_core::{Class, Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};

/// Looks at a table until it is given up that all others leave it alone.
const MOST_LOOKS: usize = 100;

/// What to write where a table takes no new columns.
const NO_NEW_COLUMNS: &str = "evolve=ignore leaves new keys out, evolve=fail refuses their messages";

impl Session {
    /// Makes or widens a table so that the rows fit, and pairs their columns with its own.
    pub(super) async fn shape(&mut self, at: usize) -> Result<()> {
        if std::mem::take(&mut self.tables[at].is_doubted) {
            self.look_again(at).await?;
        }
        let (mut failed, mut before) = (None, Vec::new());
        // Another process may make the same table or columns at the same moment: then one of the two errs, looks again and finds some
        // of it done. As long as there is less to do from one look to the next there is hope.
        for _ in 0..MOST_LOOKS {
            let statements = self.tables[at].missing(self.writer.dialect())?;
            if statements.is_empty() {
                failed = None;
                break;
            }
            if statements == before {
                break;
            }
            failed = match self.writer.execute(&statements).await {
                Err(error) if matches!(error.class(), Class::Transient | Class::Ambiguous) => return Err(error),
                // Whatever the database says, it is not about the values of a message.
                executed => executed.err().map(|error| error.classed(Class::Config)),
            };
            before = statements;
            self.look_again(at).await?;
        }
        if let Some(error) = failed {
            return Err(if self.tables[at].table.is_some() { error.hint(NO_NEW_COLUMNS) } else { error });
        }
        if let Some(error) = self.tables[at].stray(self.writer.dialect()) {
            // Somebody was faster, and made it otherwise: the messages are told when they are looked at anew.
            return Err(Error::config(ErrorKind::NotFound, "add a column", error.message()));
        }
        self.pair(at);
        if self.widen(at).await? {
            self.look_again(at).await?;
            self.pair(at);
        }
        Ok(())
    }

    /// Asks the database what the table looks like by now.
    async fn look_again(&mut self, at: usize) -> Result<()> {
        let known = &mut self.tables[at];
        known.table = self.writer.describe(&known.name).await?;
        known.paired = None;
        // Types may have changed.
        known.pairs.clear();
        if let Some(table) = &known.table {
            known.maker.learn(table);
        }
        Ok(())
    }

    /// Pairs the columns of the rows with those of the table.
    fn pair(&mut self, at: usize) {
        let known = &mut self.tables[at];
        if known.paired == Some(known.maker.rows.columns().len()) {
            return;
        }
        known.paired = Some(known.maker.rows.columns().len());
        let pairs = known.pair(self.writer.dialect());
        if pairs != known.pairs {
            self.plans += 1;
            (known.pairs, known.plan) = (pairs, self.plans);
        }
    }

    /// Widens columns of integers that a relay made where these rows have other numbers; whether the table is to be looked at again.
    async fn widen(&mut self, at: usize) -> Result<bool> {
        let known = &mut self.tables[at];
        let Some(table) = &known.table else { return Ok(false) };
        let narrow = known.pairs.iter().filter_map(|pair| {
            let column = table.columns.get(pair.to).filter(|column| column.widens)?;
            let kind = known.maker.rows.beyond_integers(pair.from)?;
            (!known.fixed.contains(&column.name)).then_some((column.name.as_str(), kind))
        });
        let narrow: Vec<_> = narrow.collect();
        if narrow.is_empty() || self.settings.evolve != Evolve::Add {
            return Ok(false);
        }
        match self.writer.widen(&known.name, &narrow).await {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(error.class(), Class::Config | Class::Data) && error.kind() != ErrorKind::NotFound =>
            {
                // The column stays as it is, and what does not fit is refused.
                tracing::warn!("columns of {} stay as narrow as they are: {error}", known.name);
                let fixed: Vec<_> = narrow.iter().map(|(name, _)| (*name).to_owned()).collect();
                known.fixed.extend(fixed);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Known {
    /// The statements that make room for the rows. A column that had nothing but `Null` so far waits for a value to tell its type.
    ///
    /// # Errors
    /// It turned out to be a view, of kind `NotFound`: the messages are told when they are looked at anew.
    fn missing(&self, dialect: &dyn Dialect) -> Result<Vec<String>> {
        let rows = &self.maker.rows;
        if rows.len() == 0 {
            return Ok(Vec::new());
        }
        let has: HashSet<_> = match &self.table {
            None => HashSet::new(),
            Some(table)
                if rows.columns().iter().all(|column| table.columns.iter().any(|own| own.name == column.name)) =>
            {
                return Ok(Vec::new());
            }
            Some(table) => {
                let columns = table.columns.iter().map(|column| &column.name).chain(&table.computed);
                columns.map(|name| fold(dialect, name)).collect()
            }
        };
        let new = |with_null: bool| {
            let columns =
                rows.columns().iter().enumerate().filter(|(_, column)| !has.contains(&fold(dialect, &column.name)));
            let kinds = columns.map(|(at, column)| (column.name.as_str(), rows.kinds(at)));
            kinds
                .filter(|(_, kinds)| with_null || !kinds.is_empty())
                .map(|(name, kinds)| (name, kinds.join()))
                .collect::<Vec<_>>()
        };
        let mut columns = new(false);
        if let Some(table) = &self.table {
            if let (true, Some((name, _))) = (table.is_view, columns.first()) {
                let text = format!("{} is a view and gets no column for the key {name:?}", self.name);
                return Err(Error::config(ErrorKind::NotFound, "add a column", text));
            }
            return Ok(columns.into_iter().map(|(name, kind)| dialect.add_column(&self.name, name, kind)).collect());
        }
        if columns.is_empty() {
            columns = new(true);
        }
        if columns.is_empty() {
            columns.push((PAYLOAD, Kind::Text));
        }
        Ok(vec![dialect.create(&self.name, &columns)])
    }

    /// What is wrong with a column of the rows that the table turned out to have in another spelling, or to compute.
    fn stray(&self, dialect: &dyn Dialect) -> Option<Error> {
        let table = self.table.as_ref().filter(|_| self.paired.is_none())?;
        let own: HashMap<_, _> =
            table.columns.iter().map(|own| (fold(dialect, &own.name), own.name.as_str())).collect();
        let computed: HashSet<_> = table.computed.iter().map(|name| fold(dialect, name)).collect();
        self.maker.rows.columns().iter().find_map(|column| {
            let folded = fold(dialect, &column.name);
            match own.get(&folded) {
                Some(own) if *own != column.name => Some(in_another_case(dialect, &column.name, own)),
                None if computed.contains(&folded) => Some(is_computed(&column.name)),
                _ => None,
            }
        })
    }

    fn pair(&self, dialect: &dyn Dialect) -> Vec<Pair> {
        let Some(table) = &self.table else { return Vec::new() };
        let to: HashMap<_, _> =
            table.columns.iter().enumerate().map(|(to, column)| (fold(dialect, &column.name), to)).collect();
        let columns = self.maker.rows.columns().iter().enumerate();
        columns.filter_map(|(from, column)| Some(Pair { from, to: *to.get(&fold(dialect, &column.name))? })).collect()
    }
}
