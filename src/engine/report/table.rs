//! Tables of numbers, as text for a terminal and as HTML.

use super::number::significant;
use super::page::escape;

/// Direction in which the values of a row are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Best {
    /// The highest value is best.
    Highest,
    /// The lowest value is best.
    Lowest,
    /// Values are not ranked.
    Neither,
}

/// One line: a group heading, or a label with one cell per column.
#[derive(Debug, Clone, PartialEq)]
enum Line {
    Group(String),
    Cells { label: String, hint: String, cells: Vec<String>, best: Vec<bool> },
}

/// Rows of values with one column per compared item.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Heading of the column of labels.
    corner: String,
    columns: Vec<String>,
    lines: Vec<Line>,
}

impl Table {
    /// An empty table with these columns after that of the labels.
    pub fn new(corner: impl Into<String>, columns: Vec<String>) -> Self {
        Self { corner: corner.into(), columns, lines: Vec::new() }
    }

    /// Adds a heading for the rows that follow.
    pub fn group(&mut self, name: impl Into<String>) {
        self.lines.push(Line::Group(name.into()));
    }

    /// Adds a row of text.
    pub fn text_row(&mut self, label: impl Into<String>, cells: Vec<String>) {
        let best = vec![false; cells.len()];
        self.lines.push(Line::Cells { label: label.into(), hint: String::new(), cells, best });
    }

    /// Adds a row of numbers with `digits` significant digits; `hint` explains the label in a few words. The best of several
    /// values is marked. A row without values is omitted.
    pub fn number_row(&mut self, label: &str, hint: &str, values: &[Option<f64>], digits: usize, best: Best) {
        let seen: Vec<f64> = values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
        if values.iter().flatten().next().is_none() {
            return;
        }
        let wanted = match best {
            Best::Highest => seen.iter().copied().reduce(f64::max),
            Best::Lowest => seen.iter().copied().reduce(f64::min),
            Best::Neither => None,
        };
        let wanted = wanted.filter(|_| seen.len() > 1).map(|value| significant(value, digits));
        let shown = |v: &Option<f64>| v.map_or_else(|| "–".to_owned(), |v| significant(v, digits));
        let cells: Vec<String> = values.iter().map(shown).collect();
        // Values that look the same are equally good.
        let best = cells.iter().map(|cell| wanted.as_ref() == Some(cell)).collect();
        self.lines.push(Line::Cells { label: label.to_owned(), hint: hint.to_owned(), cells, best });
    }

    /// True if the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The table for a terminal, with aligned columns and an asterisk after the best value of a row.
    pub fn to_text(&self) -> String {
        let width = |text: &str| text.chars().count();
        let labels = self.lines.iter().map(|line| match line {
            Line::Group(_) => 0,
            Line::Cells { label, .. } => width(label) + 2,
        });
        let first = labels.chain([width(&self.corner)]).max().unwrap_or(0);
        let columns: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = self.lines.iter().filter_map(|line| match line {
                    Line::Group(_) => None,
                    Line::Cells { cells, .. } => cells.get(at).map(|cell| width(cell)),
                });
                cells.chain(self.columns.get(at).map(|name| width(name))).max().unwrap_or(0)
            })
            .collect();
        let pad = |text: &str, to: usize| format!("{}{text}", " ".repeat(to.saturating_sub(width(text))));
        let mut rows = Vec::new();
        let mut head = format!("{}{}", self.corner, " ".repeat(first.saturating_sub(width(&self.corner))));
        for (name, to) in self.columns.iter().zip(&columns) {
            head.push_str(&format!("  {} ", pad(name, *to)));
        }
        rows.push(head.trim_end().to_owned());
        for line in &self.lines {
            rows.push(match line {
                Line::Group(name) => name.clone(),
                Line::Cells { label, cells, best, .. } => {
                    let mut row = format!("  {label}{}", " ".repeat(first.saturating_sub(width(label) + 2)));
                    for ((cell, to), best) in cells.iter().zip(&columns).zip(best) {
                        row.push_str(&format!("  {}{}", pad(cell, *to), if *best { '*' } else { ' ' }));
                    }
                    row.trim_end().to_owned()
                }
            });
        }
        rows.join("\n")
    }

    /// The table as HTML; it scrolls horizontally if wider than the page.
    pub(super) fn to_html(&self) -> String {
        let mut html = format!("<div class=\"scroll\"><table>\n<thead><tr><th>{}</th>", escape(&self.corner));
        for name in &self.columns {
            html.push_str(&format!("<th class=\"n\">{}</th>", escape(name)));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for line in &self.lines {
            match line {
                Line::Group(name) => html.push_str(&format!(
                    "<tr class=\"g\"><th colspan=\"{}\">{}</th></tr>\n",
                    self.columns.len() + 1,
                    escape(name)
                )),
                Line::Cells { label, hint, cells, best } => {
                    let hint =
                        if hint.is_empty() { String::new() } else { format!(" <small>{}</small>", escape(hint)) };
                    html.push_str(&format!("<tr><th>{}{hint}</th>", escape(label)));
                    for (cell, best) in cells.iter().zip(best) {
                        let class = if *best { "n best" } else { "n" };
                        html.push_str(&format!("<td class=\"{class}\">{}</td>", escape(cell)));
                    }
                    html.push_str("</tr>\n");
                }
            }
        }
        html.push_str("</tbody></table></div>\n");
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Metric", vec!["first".into(), "second <b>".into()]);
        table.group("Errors");
        table.number_row("MAE", "rad", &[Some(0.25), Some(0.125)], 3, Best::Lowest);
        table.number_row("PSNR", "", &[Some(20.0), None], 3, Best::Highest);
        table.number_row("never", "", &[None, None], 3, Best::Highest);
        table
    }

    #[test]
    fn columns_are_aligned_and_the_best_of_several_values_is_marked() {
        let text = table().to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Metric  first   second <b>");
        assert_eq!(lines[1], "Errors");
        assert_eq!(lines[2], "  MAE   0.250        0.125*");
        assert_eq!(lines[3], "  PSNR   20.0            –");
        assert_eq!(lines.len(), 4, "a row without values is omitted");
    }

    #[test]
    fn names_cannot_break_out_of_the_html() {
        let html = table().to_html();
        assert!(html.contains("second &lt;b&gt;") && !html.contains("second <b>"), "{html}");
        assert!(html.contains("<td class=\"n best\">0.125</td>"), "{html}");
        assert_eq!(html.matches("best").count(), 1);
    }
}
