//! Diesel's errors in Lorry's classes.

use diesel::ConnectionError;
use diesel::result::DatabaseErrorInformation;
use diesel::result::DatabaseErrorKind as Kind;
use diesel::result::Error as DieselError;
use lorry_core::registry::redact;
use lorry_core::{Class, Error, ErrorKind};
use std::error::Error as StdError;

/// What the text of a server says that passes by itself; PostgreSQL's and SQLite's words in English.
const PASSING: &[&str] = &[
    "deadlock detected",
    "could not serialize",
    "could not obtain lock",
    "canceling statement",
    "terminating connection",
    "the database system is",
    "too many clients",
    "too many connections",
    "remaining connection slots",
    "out of memory",
    "out of shared memory",
    "No space left",
    "could not extend file",
    "could not write",
    "cached plan must not change result type",
    "is locked",
    "database schema has changed",
    "disk I/O error",
    "database or disk is full",
    "interrupted",
];

/// What needs a person.
const STANDING: &[&str] = &[
    "permission denied",
    "must be owner",
    "does not exist",
    "no such table",
    "no such column",
    "has no column named",
    "syntax error",
    "authentication failed",
    "no pg_hba.conf entry",
    "readonly database",
    "unable to open database file",
    "is not a database",
    "disk image is malformed",
];

/// The class of an error, where it can be told.
pub(super) fn class(error: &DieselError) -> Option<Class> {
    match error {
        DieselError::DatabaseError(kind, info) => match kind {
            Kind::UniqueViolation
            | Kind::ForeignKeyViolation
            | Kind::RestrictViolation
            | Kind::NotNullViolation
            | Kind::CheckViolation
            | Kind::ExclusionViolation => Some(Class::Data),
            // A panic on the blocking thread comes in this guise; it would panic again for ever.
            Kind::UnableToSendCommand if info.message().contains("panicked") => Some(Class::Data),
            Kind::SerializationFailure
            | Kind::ReadOnlyTransaction
            | Kind::ClosedConnection
            | Kind::UnableToSendCommand => Some(Class::Transient),
            _ => by_text(&**info),
        },
        DieselError::RollbackErrorOnCommit { commit_error, .. } => class(commit_error),
        DieselError::BrokenTransactionManager | DieselError::NotInTransaction => Some(Class::Transient),
        DieselError::AlreadyInTransaction => Some(Class::Config),
        DieselError::InvalidCString(_)
        | DieselError::SerializationError(_)
        | DieselError::DeserializationError(_)
        | DieselError::QueryBuilderError(_)
        | DieselError::IntegerConversion(_)
        | DieselError::NotFound
        | DieselError::RollbackTransaction => Some(Class::Data),
        _ => None,
    }
}

fn by_text(info: &dyn DatabaseErrorInformation) -> Option<Class> {
    let says = |words: &[&str]| words.iter().any(|word| info.message().contains(word));
    if says(PASSING) {
        Some(Class::Transient)
    } else if says(STANDING) || info.statement_position().is_some() {
        // A place in the statement means that the statement is wrong, not a value bound to it.
        Some(Class::Config)
    } else {
        None
    }
}

/// Whether the connection is gone, so that nobody knows what became of a COMMIT.
pub(super) fn is_lost(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(kind, info) => match kind {
            Kind::ClosedConnection | Kind::UnableToSendCommand => true,
            _ => info.message().contains("terminating connection"),
        },
        DieselError::BrokenTransactionManager => true,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => is_lost(commit_error),
        _ => false,
    }
}

/// The error of a failed insert or commit, in one line.
pub(super) fn inserting(error: DieselError, class: Class) -> Error {
    let kind = match class {
        Class::Data => match &error {
            DieselError::DatabaseError(Kind::UnableToSendCommand, _) => ErrorKind::Panic,
            DieselError::DatabaseError(..) => ErrorKind::Constraint,
            DieselError::RollbackTransaction | DieselError::NotFound => ErrorKind::Refused,
            _ => ErrorKind::Malformed,
        },
        Class::Config => ErrorKind::Refused,
        _ => ErrorKind::Connection,
    };
    let told = |error: &DieselError| match error {
        DieselError::DatabaseError(_, info) => text(&**info),
        DieselError::RollbackTransaction => "refused by the insert closure".to_owned(),
        other => one_line(&other.to_string()),
    };
    let said = match &error {
        DieselError::RollbackErrorOnCommit { commit_error, .. } => told(commit_error),
        other => told(other),
    };
    Error::new(kind, class, "insert rows", said).caused_by(error)
}

fn text(info: &dyn DatabaseErrorInformation) -> String {
    match info.details() {
        Some(details) => one_line(&format!("{}: {details}", info.message())),
        None => one_line(info.message()),
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The error of a connection that could not be had, whatever the pool's own type wraps around it.
pub(super) fn connecting(error: impl StdError + Send + Sync + 'static) -> Error {
    let mut class = Class::Transient;
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(layer) = next {
        if let Some(told) = class_of_layer(layer) {
            class = told;
        }
        next = layer.source();
    }
    let kind = if class == Class::Config { ErrorKind::Refused } else { ErrorKind::Connection };
    // Without `caused_by`: a driver may quote the address that it was given, with its password.
    Error::new(kind, class, "connect", redact(&one_line(&error.to_string())))
}

fn class_of_layer(layer: &(dyn StdError + 'static)) -> Option<Class> {
    if let Some(error) = layer.downcast_ref::<ConnectionError>() {
        return match error {
            ConnectionError::InvalidCString(_) | ConnectionError::InvalidConnectionUrl(_) => Some(Class::Config),
            ConnectionError::BadConnection(said) => by_text(said),
            ConnectionError::CouldntSetupConfiguration(error) => class(error).filter(|class| *class != Class::Data),
            _ => None,
        };
    }
    by_text(&layer.to_string()).filter(|class| *class == Class::Config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(kind: Kind, text: &str) -> DieselError {
        DieselError::DatabaseError(kind, Box::new(text.to_owned()))
    }

    #[test]
    fn classes() {
        let cases = [
            (database(Kind::UniqueViolation, "x"), Some(Class::Data)),
            (database(Kind::ExclusionViolation, "x"), Some(Class::Data)),
            (database(Kind::SerializationFailure, "x"), Some(Class::Transient)),
            (database(Kind::ReadOnlyTransaction, "x"), Some(Class::Transient)),
            (database(Kind::ClosedConnection, "x"), Some(Class::Transient)),
            (database(Kind::UnableToSendCommand, "connection closed"), Some(Class::Transient)),
            (database(Kind::UnableToSendCommand, "task 7 panicked with message \"x\""), Some(Class::Data)),
            (database(Kind::Unknown, "deadlock detected"), Some(Class::Transient)),
            (database(Kind::Unknown, "database is locked"), Some(Class::Transient)),
            (database(Kind::Unknown, "no such table: readings"), Some(Class::Config)),
            (database(Kind::Unknown, "value too long for type character varying(3)"), None),
            (DieselError::RollbackTransaction, Some(Class::Data)),
            (DieselError::BrokenTransactionManager, Some(Class::Transient)),
        ];
        for (error, expected) in cases {
            assert_eq!(class(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn a_commit_is_lost_with_its_connection_only() {
        assert!(is_lost(&database(Kind::UnableToSendCommand, "connection closed")));
        assert!(is_lost(&database(Kind::Unknown, "terminating connection due to administrator command")));
        assert!(!is_lost(&database(Kind::ForeignKeyViolation, "deferred constraint")));
    }

    #[test]
    fn connection_errors_show_no_password() {
        let error = connecting(ConnectionError::InvalidConnectionUrl("postgres://joe:s3cret@host/db".into()));
        assert_eq!(error.class(), Class::Config);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(connecting(ConnectionError::BadConnection("timed out".into())).class(), Class::Transient);
        let refused = ConnectionError::CouldntSetupConfiguration(database(
            Kind::Unknown,
            "password authentication failed for user \"joe\"",
        ));
        assert_eq!(connecting(refused).class(), Class::Config);
    }
}
