//! Tables whose cells know their place in the JSON: the `data-at` around a cell, and the key of its column.

use maud::{Markup, html};

use super::show::Shown;

#[derive(Debug)]
pub(super) struct HtmlTable {
    pub(super) caption: String,
    /// From the `data-at` around the table to its rows.
    pub(super) at: String,
    pub(super) columns: Vec<HtmlColumn>,
    pub(super) rows: Vec<HtmlRow>,
}

#[derive(Debug)]
pub(super) struct HtmlColumn {
    pub(super) name: String,
    /// From a row to the value; `None` if the column has texts, or figures that the JSON does not have.
    pub(super) key: Option<String>,
    pub(super) is_text: bool,
}

#[derive(Debug)]
pub(super) struct HtmlRow {
    /// From the table to the row.
    pub(super) at: String,
    pub(super) cells: Vec<HtmlCell>,
}

#[derive(Debug)]
pub(super) enum HtmlCell {
    /// Already harmless.
    Text(String),
    Figure(Shown),
    /// With a place of its own in the JSON, from the row to the column's key.
    At(String, Shown),
    /// In a column with a key, although the JSON does not have it.
    Derived(String),
    Drawn(Markup),
    /// The same, aligned as texts are.
    DrawnText(Markup),
}

impl HtmlColumn {
    pub(super) fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), key: None, is_text: true }
    }

    pub(super) fn figure(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self { name: name.into(), key: Some(key.into()), is_text: false }
    }

    pub(super) fn derived(name: impl Into<String>) -> Self {
        Self { name: name.into(), key: None, is_text: false }
    }
}

impl HtmlTable {
    pub(super) fn draw(&self) -> Markup {
        html! {
            // The script names it, and makes it reachable by keyboard where the browser does not.
            div.scroll {
                table data-at=[some(&self.at)] {
                    caption { (self.caption) }
                    thead {
                        tr {
                            @for column in &self.columns {
                                th class=[column.is_text.then_some("t")] data-key=[column.key.as_deref()] {
                                    (column.name)
                                }
                            }
                        }
                    }
                    tbody {
                        @for row in &self.rows {
                            tr data-at=[some(&row.at)] {
                                @for (place, (cell, column)) in row.cells.iter().zip(&self.columns).enumerate() { (draw(place, cell, column)) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Below a chart.
    pub(super) fn folded(&self) -> Markup {
        self.folded_as("Table")
    }

    pub(super) fn folded_as(&self, summary: &str) -> Markup {
        html! {
            details {
                summary { (summary) }
                (self.draw())
            }
        }
    }
}

fn draw(place: usize, cell: &HtmlCell, column: &HtmlColumn) -> Markup {
    // Else the cell would have the column's key.
    let none = column.key.as_ref().map(|_| "-");
    html! {
        @match cell {
            HtmlCell::Text(text) if place == 0 => { th { (text) } },
            HtmlCell::Text(text) => { td.t { (text) } },
            HtmlCell::Figure(shown) => { td data-value=[shown.raw.as_deref()] { (shown.text) } },
            HtmlCell::At(at, shown) => { td data-at=(at) data-value=[shown.raw.as_deref()] { (shown.text) } },
            HtmlCell::Derived(text) => { td data-key=[none] { (text) } },
            HtmlCell::Drawn(drawn) => { td data-key=[none] { (drawn) } },
            HtmlCell::DrawnText(drawn) => { td.t data-key=[none] { (drawn) } },
        }
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
