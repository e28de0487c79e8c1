//! PostgreSQL's errors in Lorry's classes, by SQLSTATE.

use super::statement::TYPES_HAVE_CHANGED;
use crate::session::blame::WHERE;
use lorry_core::tls::rustls;
use lorry_core::{Class, Error, ErrorKind};
use std::error::Error as StdError;
use tokio_postgres::error::DbError;

/// Kind and class of a SQLSTATE.
pub(super) fn of_state(state: &str) -> (ErrorKind, Class) {
    use Class::{Ambiguous, Config, Data, Transient};
    match state {
        // Statement completion unknown.
        "40003" => (ErrorKind::Connection, Ambiguous),
        // Transaction integrity constraint violation.
        "40002" => (ErrorKind::Constraint, Data),
        // A prepared statement that the server has not: gone with the connection.
        "26000" => (ErrorKind::Refused, Transient),
        // What was there when the table was described is not, or is of another type: described anew.
        "3D000" | "3F000" | "42P01" | "42703" | "42704" | "42804" | "428C9" => (ErrorKind::NotFound, Config),
        // Undefined table in the guise of a missing schema is above. Too many columns or arguments are of the statement; the rest of
        // their class, rows and index entries that are too big, nesting that is too deep, of a row.
        "54011" | "54023" => (ErrorKind::Refused, Config),
        // A view that takes no inserts, a setting that only the server can have: waiting does not help, unlike with what is locked or in
        // use, the rest of its class.
        "55000" | "55P02" => (ErrorKind::Refused, Config),
        // A column of a view that is computed, an old server: not in this version.
        "0A000" => (ErrorKind::Refused, Config),
        // Permission denied: of a role, not of a name.
        "42501" => (ErrorKind::Auth, Config),
        // Database dropped.
        "57P04" => (ErrorKind::NotFound, Config),
        _ => match state.get(..2).unwrap_or_default() {
            "08" => (ErrorKind::Connection, Transient),
            "28" => (ErrorKind::Auth, Config),
            "25" | "40" | "53" | "55" | "57" | "58" | "HV" | "XX" => (ErrorKind::Refused, Transient),
            "22" | "23" | "44" | "54" => (ErrorKind::Constraint, Data),
            "01" | "03" | "0B" | "0L" | "0P" | "2D" | "34" | "3B" | "42" | "F0" => (ErrorKind::Refused, Config),
            // Raised by a trigger or a function of the user's: codes of their own are allowed there.
            _ => (ErrorKind::Constraint, Data),
        },
    }
}

/// The error of a statement. `lost` is the class where the connection broke before the answer came.
pub(super) fn running(op: &'static str, error: &tokio_postgres::Error, lost: Class) -> Error {
    match error.as_db_error() {
        Some(said) => told(op, said),
        None => Error::new(ErrorKind::Connection, lost, op, chain(error)),
    }
}

fn told(op: &'static str, said: &DbError) -> Error {
    let (kind, class) = match (said.code().code(), said.routine()) {
        // "cached plan must not change result type", in whatever language: gone with the connection.
        ("0A000", Some("RevalidateCachedQuery")) => (ErrorKind::Refused, Class::Transient),
        // A policy for rows, a trigger that raises what it likes: about this row, whatever the code says; but for those that ask to try again.
        (state, Some("ExecWithCheckOptions" | "exec_stmt_raise")) if !state.starts_with("40") => {
            (ErrorKind::Constraint, Class::Data)
        }
        // Our own question, whether the columns still have their types: the table is described again.
        ("42704", _) if said.message().contains(TYPES_HAVE_CHANGED) => (ErrorKind::NotFound, Class::Transient),
        (state, _) => of_state(state),
    };
    let text = match said.detail() {
        // The detail of some errors is the whole row or statement: enough of it.
        Some(detail) => format!("{}: {}", said.message(), shortened(detail)),
        None => said.message().to_owned(),
    };
    let mut error = Error::new(kind, class, op, one_line(&text));
    for (key, name) in [("column", said.column()), ("constraint", said.constraint())] {
        if let Some(name) = name {
            error = error.with(key, name);
        }
    }
    // Of a function or a trigger, in the words of its language.
    if let Some(place) = said.where_().filter(|place| place.contains("SQL")) {
        error = error.with(WHERE, shortened(&one_line(place)));
    }
    let error = error.with("sqlstate", said.code().code());
    match said.hint() {
        Some(hint) => error.hint(one_line(hint)),
        None => error,
    }
}

/// The error of a connection that could not be made.
pub(super) fn connecting(error: &tokio_postgres::Error) -> Error {
    if let Some(said) = error.as_db_error() {
        return match of_state(said.code().code()) {
            // Nothing a message could be guilty of.
            (_, Class::Data) => told("connect", said).classed(Class::Config),
            _ => told("connect", said),
        };
    }
    let text = chain(error);
    let (kind, class) = match text.as_str() {
        text if text.contains("does not support TLS") => (ErrorKind::Refused, Class::Config),
        text if text.starts_with("invalid configuration") || text.starts_with("authentication error") => {
            (ErrorKind::Auth, Class::Config)
        }
        _ if is_of_certificates(error) => (ErrorKind::Refused, Class::Config),
        _ => (ErrorKind::Connection, Class::Transient),
    };
    let made = Error::new(kind, class, "connect", text);
    match kind {
        ErrorKind::Auth => made.hint("give a password in the address, or by password-env= or password-file="),
        ErrorKind::Refused => made.hint("see sslmode= and ca="),
        _ => made,
    }
}

/// Whether rustls refused the peer, in place of a connection that broke during the handshake.
fn is_of_certificates(error: &tokio_postgres::Error) -> bool {
    let mut next = error.source();
    while let Some(layer) = next {
        let inside = match layer.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => inner.is::<rustls::Error>(),
            None => layer.is::<rustls::Error>(),
        };
        if inside {
            return true;
        }
        next = layer.source();
    }
    false
}

/// What an error says, with what caused it.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_states() {
        let cases = [
            (
                Class::Transient,
                "08006 08P01 25006 25P02 40001 40P01 53100 53300 55006 55P03 57014 57P01 57P02 57P03 58030 XX000 26000",
            ),
            (
                Class::Data,
                "22001 22003 22021 22P02 22P05 23502 23503 23505 23514 23P01 40002 44000 54000 54001 P0001 21000 39004 LR001",
            ),
            (
                Class::Config,
                "28000 28P01 3D000 3F000 42501 42601 42703 42P01 42804 428C9 42809 54011 54023 55000 55P02 0A000 57P04",
            ),
            (Class::Ambiguous, "40003"),
        ];
        for (class, states) in cases {
            for state in states.split(' ') {
                assert_eq!(of_state(state).1, class, "{state}");
            }
        }
        for state in "42P01 42703 3F000 42704 42804 428C9".split(' ') {
            assert_eq!(of_state(state).0, ErrorKind::NotFound, "{state}");
        }
        assert_eq!(of_state("28P01").0, ErrorKind::Auth);
    }

    #[test]
    fn texts_become_one_short_line() {
        assert_eq!(one_line("a\n  b\n\n"), "a b");
        assert_eq!(shortened(&"ä".repeat(300)).chars().count(), 201);
    }
}
