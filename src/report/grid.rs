//! A grid of cells, as aligned text and as a Markdown table.

use std::fmt;

use super::escape;

/// Shown in place of a figure without samples.
pub(super) const NONE: &str = "–";

/// Rows under a header. The first column may hold values from the database, which are escaped on writing.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) title: String,
    pub(super) header: Vec<String>,
    /// How many columns from the left hold text; the others hold numbers, and are aligned to the right.
    pub(super) names: usize,
    pub(super) rows: Vec<Vec<String>>,
}

impl Grid {
    /// The rows, or one without figures, escaped.
    fn cells(&self, escape: fn(&str) -> String) -> Vec<Vec<String>> {
        let none = [vec![NONE.to_owned(); self.header.len()]];
        let rows = if self.rows.is_empty() { &none } else { self.rows.as_slice() };
        rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect()
    }

    pub(super) fn text(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut lines = self.cells(escape::text);
        lines.insert(0, self.header.iter().map(|cell| escape::text(cell)).collect());
        let widths: Vec<usize> = (0..self.header.len()).map(|column| width(&lines, column)).collect();
        writeln!(out, "{}", escape::text(&self.title))?;
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate();
            let padded: Vec<String> =
                cells.map(|(column, (cell, &width))| self.pad(column, cell, width)).collect();
            writeln!(out, "  {}", padded.join("  ").trim_end())?;
        }
        Ok(())
    }

    fn pad(&self, column: usize, cell: &str, width: usize) -> String {
        if column < self.names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    }

    pub(super) fn markdown(&self, out: &mut impl fmt::Write) -> fmt::Result {
        writeln!(out, "### {}\n", escape::markdown(&self.title))?;
        let header: Vec<_> = self.header.iter().map(|cell| escape::markdown(cell)).collect();
        writeln!(out, "| {} |", header.join(" | "))?;
        let rule = |column| if column < self.names { ":--" } else { "--:" };
        let rules: Vec<_> = (0..self.header.len()).map(rule).collect();
        writeln!(out, "| {} |", rules.join(" | "))?;
        for row in self.cells(escape::markdown) {
            writeln!(out, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

fn width(lines: &[Vec<String>], column: usize) -> usize {
    let cells = lines.iter().filter_map(|line| line.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
}
