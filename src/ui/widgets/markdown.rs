//! The part of Markdown that the manual uses: headings, paragraphs, lists, tables, code, pictures, bold text, and links.

use crate::ui::theme;
use eframe::egui::{self, Grid, RichText, Ui};

/// A block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Block<'a> {
    Heading(usize, &'a str),
    Paragraph(String),
    Item(String),
    Code(String),
    Table(Vec<Vec<&'a str>>),
    /// Alternative text and path.
    Picture(&'a str, &'a str),
}

/// A piece of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Plain(&'a str),
    Bold(&'a str),
    Code(&'a str),
    /// Text and target.
    Link(&'a str, &'a str),
}

/// Draws a page; returns the target of a clicked link. `picture` draws the picture at a path, named by its alternative text.
pub fn show(ui: &mut Ui, text: &str, picture: &mut dyn FnMut(&mut Ui, &str, &str)) -> Option<String> {
    let mut clicked = None;
    for (number, block) in blocks(text).into_iter().enumerate() {
        match block {
            Block::Heading(level, text) => {
                ui.add_space(if level > 1 { 8.0 } else { 0.0 });
                ui.label(RichText::new(text).strong().size([22.0, 17.0, 15.0][level.clamp(1, 3) - 1]));
            }
            Block::Paragraph(text) => clicked = inline(ui, &text).or(clicked),
            Block::Item(text) => {
                ui.horizontal_top(|ui| {
                    ui.label(" •");
                    ui.vertical(|ui| clicked = inline(ui, &text).or(clicked.take()));
                });
            }
            Block::Code(text) => {
                egui::Frame::group(ui.style()).inner_margin(6).show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    ui.add(egui::Label::new(RichText::new(text).monospace()).wrap().selectable(true));
                });
            }
            Block::Table(rows) => {
                Grid::new(("table", number)).striped(true).spacing([18.0, 4.0]).show(ui, |ui| {
                    let width = (ui.available_width() - 40.0) / rows.first().map_or(1.0, |row| row.len().max(1) as f32);
                    for row in &rows {
                        for cell in row {
                            ui.vertical(|ui| {
                                ui.set_max_width(width);
                                clicked = inline(ui, cell).or(clicked.take());
                            });
                        }
                        ui.end_row();
                    }
                });
            }
            Block::Picture(name, path) => picture(ui, name, path),
        }
        ui.add_space(4.0);
    }
    clicked
}

fn inline(ui: &mut Ui, text: &str) -> Option<String> {
    let mut clicked = None;
    let code = theme::palette(ui).accent;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        for piece in pieces(text) {
            match piece {
                Piece::Plain(text) => ui.label(text),
                Piece::Bold(text) => ui.label(RichText::new(text).strong()),
                Piece::Code(text) => ui.label(RichText::new(text).monospace().color(code)),
                Piece::Link(text, target) => {
                    let link = ui.link(text).on_hover_text(target);
                    if link.clicked() {
                        clicked = Some(target.to_owned());
                    }
                    link
                }
            };
        }
    });
    clicked
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let mut code: Option<Vec<&str>> = None;
    let mut continues = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            match code.take() {
                Some(lines) => found.push(Block::Code(lines.join("\n"))),
                None => code = Some(Vec::new()),
            }
            continues = false;
            continue;
        }
        if let Some(lines) = &mut code {
            lines.push(line);
            continue;
        }
        let bare = line.trim();
        if bare.is_empty() {
            continues = false;
        } else if let Some(title) = bare.strip_prefix('#') {
            let level = 1 + title.chars().take_while(|c| *c == '#').count();
            found.push(Block::Heading(level, title.trim_start_matches('#').trim()));
            continues = false;
        } else if let Some((name, path)) =
            bare.strip_prefix("![").and_then(|rest| rest.strip_suffix(')')?.split_once("]("))
        {
            found.push(Block::Picture(name, path));
            continues = false;
        } else if bare.starts_with('|') {
            let cells: Vec<&str> = bare.trim_matches('|').split('|').map(str::trim).collect();
            let is_rule = cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':')));
            match found.last_mut() {
                _ if is_rule => {}
                Some(Block::Table(rows)) if continues => rows.push(cells),
                _ => found.push(Block::Table(vec![cells])),
            }
            continues = true;
        } else if let Some(item) = item(bare) {
            found.push(Block::Item(item.to_owned()));
            continues = true;
        } else {
            match found.last_mut() {
                Some(Block::Paragraph(text) | Block::Item(text)) if continues => {
                    text.push(' ');
                    text.push_str(bare);
                }
                _ => found.push(Block::Paragraph(bare.to_owned())),
            }
            continues = true;
        }
    }
    found
}

/// Text of a list item; `None` for another line.
fn item(line: &str) -> Option<&str> {
    let numbered =
        line.split_once(". ").filter(|(number, _)| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
    line.strip_prefix("* ").or_else(|| line.strip_prefix("- ")).or(numbered.map(|(_, rest)| rest))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, from) = rest.split_at(at);
        let parsed = if let Some(inner) = from.strip_prefix('`') {
            inner.split_once('`').map(|(code, after)| (Piece::Code(code), after))
        } else if let Some(inner) = from.strip_prefix("**") {
            inner.split_once("**").map(|(bold, after)| (Piece::Bold(bold), after))
        } else {
            from.strip_prefix('[').and_then(|inner| {
                let (text, after) = inner.split_once("](")?;
                let (target, after) = after.split_once(')')?;
                Some((Piece::Link(text, target), after))
            })
        };
        let (piece, after) = parsed.unwrap_or_else(|| {
            let end = from.chars().next().map_or(0, char::len_utf8);
            (Piece::Plain(&from[..end]), &from[end..])
        });
        if !before.is_empty() {
            found.push(Piece::Plain(before));
        }
        found.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Plain(rest));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page = "# Title\n\nTwo\nlines with `code`.\n\n* one\n  more\n* two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\nrun  it\n```\n![Panel](x/y.png)\n";
        assert_eq!(
            blocks(page),
            [
                Block::Heading(1, "Title"),
                Block::Paragraph("Two lines with `code`.".into()),
                Block::Item("one more".into()),
                Block::Item("two".into()),
                Block::Table(vec![vec!["a", "b"], vec!["1", "2"]]),
                Block::Code("run  it".into()),
                Block::Picture("Panel", "x/y.png"),
            ]
        );
        assert_eq!(
            pieces("See **this**, `that * it` and [data](data.md): 2 * 3"),
            [
                Piece::Plain("See "),
                Piece::Bold("this"),
                Piece::Plain(", "),
                Piece::Code("that * it"),
                Piece::Plain(" and "),
                Piece::Link("data", "data.md"),
                Piece::Plain(": 2 "),
                Piece::Plain("*"),
                Piece::Plain(" 3"),
            ]
        );
    }
}
