//! Whose fault an error is.

use crate::table::TableName;
use crate::writer::INSERT_ROWS;
use lorry_core::{Class, Error, ErrorKind};
use std::collections::HashSet;

/// How a batch is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// Nothing behind the first message refused may land.
    pub(super) stop: bool,
    /// The tables were looked at just now, for the sake of this batch.
    pub(super) again: bool,
    /// Each message chooses its table.
    pub(super) chosen: bool,
}

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// A message: its values, or the table that it has chosen.
    Message,
    /// A message, if others fare better.
    Perhaps,
    /// What is known of a table: it is to be looked at again.
    Knowledge,
    /// None of the messages.
    Nobody,
}

impl Attempt {
    /// What this error is about.
    ///
    /// A database that has prepared an insert and then, with the values, calls something missing or wrong, has changed meanwhile; or, if it
    /// was looked at just now, a value is to blame: what a cast finds in a text. Where a function of the user's says so, that may be
    /// broken for all. A table that cannot be had is the fault of a message that has chosen it; unless all are forbidden.
    pub(super) fn blame(self, error: &Error) -> Blame {
        let of_insert = error.op() == INSERT_ROWS;
        let of_code = error.context().any(|(key, _)| key == WHERE);
        match (error.class(), error.kind()) {
            (Class::Data, _) => Blame::Message,
            (Class::Transient, ErrorKind::NotFound) => Blame::Knowledge,
            (Class::Config, ErrorKind::NotFound) if !self.again => Blame::Knowledge,
            (Class::Config, ErrorKind::Refused) if of_insert && !self.again => Blame::Knowledge,
            (Class::Config, ErrorKind::NotFound | ErrorKind::Refused) if of_insert && of_code => Blame::Perhaps,
            (Class::Config, ErrorKind::NotFound | ErrorKind::Refused) if of_insert => Blame::Message,
            (Class::Config, ErrorKind::Auth) if self.chosen => Blame::Perhaps,
            (Class::Config, ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::Other) if self.chosen => {
                Blame::Message
            }
            _ => Blame::Nobody,
        }
    }
}

/// What an error of a function or trigger says in its context: where in it.
pub(crate) const WHERE: &str = "where";

/// Errors that are a message's fault if others fare better.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    first: Option<Error>,
    tables: HashSet<TableName>,
    of_code: bool,
}

impl Doubts {
    pub(super) fn add(&mut self, error: &Error, table: &TableName) {
        self.of_code |= error.kind() != ErrorKind::Auth;
        self.tables.insert(table.clone());
        self.first.get_or_insert_with(|| error.clone());
    }

    /// The error that is nobody's fault, where no row has landed beside it. `ever`: some have in earlier batches; then a single forbidden
    /// table is one that its messages should not have chosen.
    pub(super) fn judge(self, landed: bool, ever: bool) -> Option<Error> {
        self.first.filter(|_| !landed && (self.of_code || !ever || self.tables.len() > 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class, kind: ErrorKind, op: &'static str) -> Error {
        Error::new(kind, class, op, "no")
    }

    #[test]
    fn the_same_error_is_another_ones_fault_at_the_second_look() {
        let (first, second) = ((false, false), (true, false));
        let blame = |(again, chosen), error: Error| Attempt { stop: false, again, chosen }.blame(&error);
        let insert = |kind| error(Class::Config, kind, INSERT_ROWS);
        let prepare = |kind| error(Class::Config, kind, "prepare the insert");
        for kind in [ErrorKind::NotFound, ErrorKind::Refused] {
            assert_eq!(blame(first, insert(kind)), Blame::Knowledge);
            assert_eq!(blame(second, insert(kind)), Blame::Message);
            assert_eq!(blame(second, insert(kind).with(WHERE, "a trigger")), Blame::Perhaps);
            assert_eq!(blame(second, prepare(kind)), Blame::Nobody);
            assert_eq!(blame((true, true), prepare(kind)), Blame::Message);
        }
        assert_eq!(blame(first, prepare(ErrorKind::NotFound)), Blame::Knowledge);
        assert_eq!(blame(first, prepare(ErrorKind::Refused)), Blame::Nobody);
        assert_eq!(blame(second, insert(ErrorKind::Auth)), Blame::Nobody);
        assert_eq!(blame((false, true), insert(ErrorKind::Auth)), Blame::Perhaps);
        // Types that changed are never a message's fault, however often.
        assert_eq!(blame(second, error(Class::Transient, ErrorKind::NotFound, INSERT_ROWS)), Blame::Knowledge);
        assert_eq!(blame(second, error(Class::Transient, ErrorKind::Connection, INSERT_ROWS)), Blame::Nobody);
    }

    #[test]
    fn what_befalls_all_is_nobodys_fault() {
        let table = |name: &str| TableName { schema: None, name: name.into() };
        let doubts = |errors: &[(ErrorKind, &str)]| {
            let mut doubts = Doubts::default();
            errors.iter().for_each(|(kind, name)| doubts.add(&error(Class::Config, *kind, INSERT_ROWS), &table(name)));
            doubts
        };
        let (denied, of_code) = (ErrorKind::Auth, ErrorKind::NotFound);
        assert!(doubts(&[]).judge(false, false).is_none());
        assert!(doubts(&[(denied, "a"), (denied, "b")]).judge(true, true).is_none());
        assert!(doubts(&[(denied, "a"), (denied, "b")]).judge(false, true).is_some());
        assert!(doubts(&[(denied, "a"), (denied, "a")]).judge(false, true).is_none());
        assert!(doubts(&[(denied, "a")]).judge(false, false).is_some());
        assert!(doubts(&[(of_code, "a")]).judge(false, true).is_some());
    }
}
