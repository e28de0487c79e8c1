#![doc = include_str!("docs.md")]

mod id;
mod options;
mod sink;
mod source;
mod tail;
#[cfg(test)]
mod tests;
mod watch;

pub use options::{FileSinkOptions, FileSourceOptions, Fsync, IfExists};
pub use sink::FileSink;
pub use source::FileSource;

use lorry_core::registry::{ElementSpec, Registry, Uri};
use lorry_core::{Error, Result};
use std::path::PathBuf;

/// Adds `filesrc` and `filesink`.
pub fn register(registry: &mut Registry) {
    registry.add(
        ElementSpec::source("filesrc", |args| {
            let path = path(args.uri())?;
            Ok(Box::new(FileSource::new(path, args.take()?)))
        })
        .schemes(&["file"])
        .about("lines of a file, to its end or following it")
        .docs(include_str!("docs.md"))
        .options::<FileSourceOptions>()
        .bare_path(),
    );
    registry.add(
        ElementSpec::sink("filesink", |args| {
            let path = path(args.uri())?;
            if path.to_string_lossy().contains("{{") {
                return Err(Error::usage("a template in a file name is not supported yet").with("path", path.display()));
            }
            Ok(Box::new(FileSink::new(path, args.take()?)))
        })
        .schemes(&["file"])
        .about("payloads into a file, one a line")
        .docs(include_str!("docs.md"))
        .options::<FileSinkOptions>()
        .bare_path(),
    );
}

/// `file:///absolute`, `file:relative`, or what a launch text's `location=` says.
fn path(uri: &Uri) -> Result<PathBuf> {
    match uri.host() {
        None | Some("localhost") => {}
        Some(host) => {
            return Err(Error::usage(format!("{host:?} in {uri} is read as a host, and files are local"))
                .hint(format!("write file:{host}{0} or file:///{host}{0}", uri.path())));
        }
    }
    match uri.path() {
        "" => Err(Error::usage("a file address needs a path").hint("write file:///tmp/x or file:x")),
        path => Ok(path.into()),
    }
}
