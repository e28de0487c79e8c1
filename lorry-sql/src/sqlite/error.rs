//! What SQLite's result codes mean to a relay.

use lorry_core::{Class, Error, ErrorKind};
use rusqlite::ffi;

/// Any error of SQLite, with the class that its result code has.
pub(crate) fn classify(op: &'static str, error: rusqlite::Error) -> Error {
    let (code, text) = match &error {
        rusqlite::Error::SqliteFailure(code, text) => (code.extended_code, text.clone()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, Some(msg.clone())),
        _ => (ffi::SQLITE_ERROR, None),
    };
    let text = text.unwrap_or_else(|| match code {
        ffi::SQLITE_ERROR => error.to_string(),
        _ => ffi::code_to_str(code).to_owned(),
    });
    let (kind, class) = class_of(code, &text);
    Error::new(kind, class, op, text).caused_by(error)
}

fn class_of(code: i32, text: &str) -> (ErrorKind, Class) {
    match code & 0xff {
        // Another connection has the file: it will let go.
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => (ErrorKind::Timeout, Class::Transient),
        // A disk may come back or be emptied.
        ffi::SQLITE_IOERR | ffi::SQLITE_FULL | ffi::SQLITE_NOMEM => (ErrorKind::Io, Class::Transient),
        ffi::SQLITE_SCHEMA | ffi::SQLITE_INTERRUPT | ffi::SQLITE_ABORT => (ErrorKind::Other, Class::Transient),
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH | ffi::SQLITE_RANGE => (ErrorKind::Constraint, Class::Data),
        ffi::SQLITE_TOOBIG => (ErrorKind::TooLarge, Class::Data),
        // Of the file, and so of all that goes into it.
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT | ffi::SQLITE_READONLY | ffi::SQLITE_PERM => {
            (ErrorKind::Io, Class::Config)
        }
        ffi::SQLITE_AUTH => (ErrorKind::Refused, Class::Config),
        // SQLite speaks English only, so its texts can be relied on.
        _ if ["no such table", "has no column named", "no such column"].iter().any(|start| text.contains(start)) => {
            (ErrorKind::NotFound, Class::Config)
        }
        _ => (ErrorKind::Other, Class::Config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_class() {
        for (code, class) in [
            (ffi::SQLITE_BUSY, Class::Transient),
            (ffi::SQLITE_BUSY_SNAPSHOT, Class::Transient),
            (ffi::SQLITE_LOCKED, Class::Transient),
            (ffi::SQLITE_IOERR_WRITE, Class::Transient),
            (ffi::SQLITE_FULL, Class::Transient),
            (ffi::SQLITE_CONSTRAINT_CHECK, Class::Data),
            (ffi::SQLITE_CONSTRAINT_NOTNULL, Class::Data),
            (ffi::SQLITE_MISMATCH, Class::Data),
            (ffi::SQLITE_TOOBIG, Class::Data),
            (ffi::SQLITE_CANTOPEN, Class::Config),
            (ffi::SQLITE_NOTADB, Class::Config),
            (ffi::SQLITE_READONLY_DBMOVED, Class::Config),
            (ffi::SQLITE_AUTH, Class::Config),
            (ffi::SQLITE_ERROR, Class::Config),
        ] {
            assert_eq!(class_of(code, "").1, class, "{code}");
        }
        assert_eq!(class_of(ffi::SQLITE_ERROR, "no such table: main.t").0, ErrorKind::NotFound);
    }
}
