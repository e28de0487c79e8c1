//! The summary at the end: `--report`, and the line that says what was left undelivered.

use crate::exit::{Failure, Outcome};
use lorry::flow::Graph;
use lorry::{ErrorKind, Report};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the report goes.
#[derive(Debug)]
pub(crate) enum Destination {
    Stderr,
    File(PathBuf, std::fs::File),
}

impl Destination {
    /// Opened before anything starts: that it cannot be written should not come out after a night's work.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stderr);
        }
        match std::fs::File::create(path) {
            Ok(file) => Ok(Self::File(path.to_owned(), file)),
            Err(error) => Err(Failure::Usage(format!("--report {}: {error}", path.display()))),
        }
    }

    /// Writes the report, with what each node has done.
    ///
    /// # Errors
    /// The disk says no.
    pub(crate) fn write(self, report: &Report, graph: &Graph) -> Outcome {
        let mut json = report.to_json();
        json["nodes"] = graph.counts_to_json();
        let text = json.to_string();
        match self {
            Self::Stderr => crate::output::stderr(&text),
            Self::File(path, mut file) => writeln!(file, "{text}")
                .map_err(|error| Failure::Failed(format!("write the report: {error} (file: {})", path.display())))?,
        }
        Ok(())
    }
}

/// Whether all is well, by the report.
///
/// # Errors
/// What went wrong, and how much was left undelivered.
pub(crate) fn judge(report: &Report) -> Outcome {
    let messages = |n: u64| if n == 1 { "1 message".to_owned() } else { format!("{n} messages") };
    match &report.error {
        // Nobody reads our stdout any more: the pipe's reader has what it wanted.
        Some(error) if error.kind() == ErrorKind::Closed && error.op() == "write stdout" => Err(Failure::StdoutClosed),
        // Found out when it was opened, before anything was relayed: the request was wrong.
        Some(error) if error.kind() == ErrorKind::Usage && report.received == 0 => {
            Err(Failure::Usage(error.to_string()))
        }
        Some(error) if report.failed > 0 => {
            let held = match report.held {
                0 => String::new(),
                n => format!(", {n} more held"),
            };
            Err(Failure::Failed(format!("{} not delivered{held}: {error}", messages(report.failed))))
        }
        Some(error) => Err(Failure::Failed(error.to_string())),
        None if report.failed > 0 => Err(Failure::Failed(format!("{} not delivered", messages(report.failed)))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use lorry::Error;

    fn said(failed: u64, held: u64, error: Option<Error>) -> String {
        let mut report = Report::default();
        (report.received, report.failed, report.held, report.error) = (failed + held, failed, held, error);
        match judge(&report).unwrap_err() {
            Failure::Failed(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn how_much_was_not_delivered() {
        let full = || Some(Error::config(ErrorKind::Other, "write", "no room"));
        for (failed, held, says) in [
            (1, 0, "1 message not delivered: write: no room"),
            (1, 1, "1 message not delivered, 1 more held: write: no room"),
            (1, 31, "1 message not delivered, 31 more held: write: no room"),
            (2, 0, "2 messages not delivered: write: no room"),
            (2, 1, "2 messages not delivered, 1 more held: write: no room"),
            (0, 5, "write: no room"),
        ] {
            assert_eq!(said(failed, held, full()), says);
        }
        assert_eq!(said(1, 0, None), "1 message not delivered");
        assert_eq!(said(3, 0, None), "3 messages not delivered");
        assert!(judge(&Report::default()).is_ok());
    }
}
