//! The picture on the terminal, or lines where there is none.

use super::rows::Row;
use crate::exit::Outcome;
use crate::output;
use std::fmt::Write;
use std::io::IsTerminal;

/// On a terminal rate and rows are repainted in place; elsewhere there is one line a second.
pub(super) struct Screen {
    repaints: bool,
    height: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { repaints: std::io::stdout().is_terminal(), height: 0 }
    }

    /// Shows the rate's line and the last rows.
    pub(super) fn show(&mut self, line: &str, rows: &[Row]) -> Outcome {
        if !self.repaints {
            return output::stdout(&format!("{line}\n"));
        }
        let picture = format!("{line}\n\n{}", table(rows));
        let mut text = String::new();
        if self.height > 0 {
            // Up to where the picture began, and clear from there.
            let _ = write!(text, "\x1b[{}A\r\x1b[J", self.height);
        }
        self.height = picture.lines().count();
        text.push_str(&picture);
        output::stdout(&text)
    }
}

/// Rows as a table.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = format!("  {:<12} {:>8} {:>8}  {}\n", "device", "number", "celsius", "at");
    for row in rows {
        let _ = writeln!(text, "  {:<12} {:>8} {:>8.3}  {}", row.device, row.number, row.celsius, row.at);
    }
    text
}
