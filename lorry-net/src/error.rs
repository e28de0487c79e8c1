//! Errors of the operating system, in Lorry's words.

use lorry_core::{Error, ErrorKind};
use std::io;

/// An error of the operating system while doing `op`, in the class that its kind has everywhere.
pub(crate) fn io_error(op: &'static str, error: io::Error) -> Error {
    let plain = Error::from(io::Error::from(error.kind()));
    Error::new(plain.kind(), plain.class(), op, &error).caused_by(error)
}

/// A line longer than `max-size`.
pub(crate) fn too_long(offset: u64, max: usize) -> Error {
    Error::data(ErrorKind::TooLarge, "read a line", format!("it is longer than {max} bytes"))
        .with("offset", offset)
        .hint("raise max-size= if such lines are meant to be")
}

/// A fault in the code, on another thread.
pub(crate) fn panicked(op: &'static str, error: impl std::fmt::Display) -> Error {
    Error::config(ErrorKind::Panic, op, error)
}

/// The address of an element that takes none names something.
pub(crate) fn no_address(uri: &lorry_core::registry::Uri) -> lorry_core::Result<()> {
    let stray = uri
        .host()
        .map(str::to_owned)
        .or_else(|| Some(uri.path().trim_matches('/').to_owned()).filter(|path| !path.is_empty()));
    match stray {
        None => Ok(()),
        Some(stray) => Err(Error::usage(format!("{:?} in an address of {} means nothing", stray, uri.scheme()))
            .hint(format!("options stand behind a question mark: {}://?…", uri.scheme()))),
    }
}
