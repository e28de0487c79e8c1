//! A line of the text, and a caret under the place.

use crate::registry::secrets::{MASK, Secrets};
use std::ops::Range;

/// How many characters are shown on either side of the place.
const AROUND: usize = 60;

/// How much of a message is shown: it may repeat names and values of any length.
const LONGEST: usize = 1_000;

/// A message with its middle left out if it is too long.
pub(super) fn shortened(what: &str) -> String {
    let length = what.chars().count();
    if length <= LONGEST {
        return what.to_owned();
    }
    let part = |from: usize| what.chars().skip(from).take(LONGEST / 2).collect::<String>();
    format!("{}…{}", part(0), part(length - LONGEST / 2))
}

/// The line of the place and the carets below it, both indented, without passwords. `None` if there is nothing to show.
pub(super) fn at(text: &str, span: Range<usize>, secrets: &Secrets) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let span = moved(span.start, secrets, 0)..moved(span.end, secrets, MASK.len());
    let text = secrets.masked(text);
    let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[span.start..].find('\n').map_or(text.len(), |at| span.start + at);
    let line: Vec<char> =
        text[line_start..line_end].chars().map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c }).collect();
    let column = text[line_start..span.start].chars().count();
    let width = text[span.start..span.end.min(line_end)].chars().count().max(1);

    let from = column.saturating_sub(AROUND);
    let to = line.len().min(column + width.min(AROUND) + AROUND);
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
    let shown: String = line[from..to].iter().collect();
    let indent = column - from + before.chars().count();
    let carets = width.min(AROUND).min((line.len() + 1).saturating_sub(column)).max(1);
    Some(format!("  {before}{}{after}\n  {}{}", shown.trim_end(), " ".repeat(indent), "^".repeat(carets)))
}

/// Where an offset of the text lies in the masked text; inside a password it is so far into the mask.
fn moved(at: usize, secrets: &Secrets, inside: usize) -> usize {
    let (mut before, mut done) = (0, 0);
    for place in secrets.places.iter().take_while(|place| place.start < at) {
        before += place.start - done;
        if at < place.end {
            return before + inside;
        }
        before += MASK.len();
        done = place.end;
    }
    before + (at - done)
}
