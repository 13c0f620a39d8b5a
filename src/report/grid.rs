//! A grid of cells, as aligned text and as a Markdown table.

use std::fmt;

use super::escape;

/// Shown in place of a figure without samples.
pub(super) const NONE: &str = "–";

/// Styles of a terminal, as ECMA-48 numbers them.
const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

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

    /// With colours for a terminal, or without.
    pub(super) fn text(&self, out: &mut impl fmt::Write, colours: bool) -> fmt::Result {
        let mut lines = self.cells(escape::text);
        lines.insert(0, self.header.iter().map(|cell| escape::text(cell)).collect());
        let widths: Vec<usize> = (0..self.header.len()).map(|column| width(&lines, column)).collect();
        let styled = |text: &str, style: &str| {
            if colours && !style.is_empty() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
        };
        writeln!(out, "{}", styled(&escape::text(&self.title), BOLD))?;
        for (number, line) in lines.iter().enumerate() {
            let cells = line.iter().zip(&widths).enumerate();
            let padded = cells.map(|(column, (cell, &width))| {
                let padded = self.pad(column, cell, width);
                styled(&padded, if number > 0 { self.style(column, cell) } else { "" })
            });
            let joined = padded.collect::<Vec<_>>().join("  ");
            writeln!(out, "  {}", styled(joined.trim_end(), if number == 0 { DIM } else { "" }))?;
        }
        Ok(())
    }

    /// How a cell stands out: a verdict by what it says.
    fn style(&self, column: usize, cell: &str) -> &'static str {
        let is_verdict = self.header.get(column).is_some_and(|name| name == "verdict" || name == "result");
        match cell {
            "worse" | "broken" if is_verdict => RED,
            "better" | "holds" if is_verdict => GREEN,
            "undecided" | "not enough data" if is_verdict => YELLOW,
            _ => "",
        }
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
