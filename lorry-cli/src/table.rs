//! Text in columns.

use std::fmt::Write;

/// Rows in aligned columns, indented; the last column is free.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    // Formatting knows no greater width.
    const WIDEST: usize = u16::MAX as usize;
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(WIDEST);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn columns_are_aligned_and_empty_ones_vanish() {
        let row = |a: &str, b: &str, c: &str| [a.to_owned(), b.to_owned(), c.to_owned()];
        assert_eq!(columns(&[row("a", "", "x y"), row("längst", "", "z")]), "  a       x y\n  längst  z\n");
    }

    #[test]
    fn a_cell_may_be_of_any_width() {
        let long = "n".repeat(70_000);
        let text = columns(&[[long.clone(), "x".to_owned()], ["a".to_owned(), "y".to_owned()]]);
        assert_eq!(text.lines().next(), Some(&*format!("  {long}  x")));
        assert!(text.ends_with("  y\n"));
    }
}
