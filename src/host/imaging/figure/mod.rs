//! Figure for a publication: images with title, color bar and scale bar in vector form, and a caption, as SVG or PDF.
//!
//! The layout is a list of [`Mark`]s, which `svg` and `pdf` write.

mod pdf;
mod svg;

use super::complex::ComplexColors;
use super::sheet::{Bar, Sheet};
use super::text::short_number;
use crate::error::Result;

/// Width of an image in the figure, in points.
const IMAGE: f64 = 260.0;
/// Space for the color bar with its numbers.
const SIDE: f64 = 70.0;
/// Distance between images, and around the figure.
const GAP: f64 = 14.0;
/// Height of a title.
const TITLE: f64 = 18.0;
/// Font size of titles and numbers, and of the caption.
const FONT: f64 = 11.0;
/// Letters of the caption per point of width.
const LETTERS: f64 = 0.19;
/// Width of a color bar.
const BAR: f64 = 10.0;
/// Distance from the letter of a panel to its title.
const LETTER: f64 = 13.0;

/// Something drawn at a place in points, from the top left corner.
#[derive(Debug, Clone, PartialEq)]
enum Mark {
    Text(Text),
    /// Pixels, row by row, in a rectangle `[left, top, width, height]`.
    Image {
        at: [f64; 4],
        size: [usize; 2],
        pixels: Vec<[u8; 4]>,
    },
    /// White rectangle with a black edge of this width.
    Box {
        at: [f64; 4],
        edge: f64,
    },
    /// Colors from top to bottom at equal distances, with a black edge.
    Gradient {
        at: [f64; 4],
        stops: Vec<[u8; 3]>,
    },
}

/// A line of text; `at` is the left or, if `is_centered`, the middle of its baseline.
#[derive(Debug, Clone, PartialEq)]
struct Text {
    at: [f64; 2],
    size: f64,
    text: String,
    is_centered: bool,
    is_bold: bool,
    /// White with a black outline, for images.
    is_outlined: bool,
}

/// A figure of this size with its marks in the order of drawing, and its description.
struct Figure {
    size: [f64; 2],
    marks: Vec<Mark>,
    description: String,
}

/// SVG of these images with their titles, `columns` per row, and a caption below. Pixels stay sharp when enlarged.
///
/// # Errors
/// An image cannot be encoded.
pub fn figure_svg(panels: &[(String, Sheet)], columns: usize, caption: &str) -> Result<String> {
    svg::write(&Figure::new(panels, columns, caption))
}

/// PDF with one page of the same figure.
///
/// # Errors
/// An image cannot be compressed.
pub fn figure_pdf(panels: &[(String, Sheet)], columns: usize, caption: &str) -> Result<Vec<u8>> {
    pdf::write(&Figure::new(panels, columns, caption))
}

impl Figure {
    fn new(panels: &[(String, Sheet)], columns: usize, caption: &str) -> Self {
        let columns = columns.clamp(1, panels.len().max(1));
        let tall = |sheet: &Sheet| IMAGE * sheet.size[1].max(1) as f64 / sheet.size[0].max(1) as f64;
        let width = GAP + columns as f64 * (IMAGE + SIDE + GAP);
        let mut marks = Vec::new();
        let mut top = GAP;
        for (number, row) in panels.chunks(columns).enumerate() {
            for (column, (title, sheet)) in row.iter().enumerate() {
                let index = number * columns + column;
                let left = GAP + column as f64 * (IMAGE + SIDE + GAP);
                let letter = char::from(b'a' + (index % 26) as u8).to_string();
                marks.push(Mark::Text(Text { is_bold: true, ..Text::at([left, top + FONT], FONT, letter) }));
                marks.push(Mark::Text(Text::at([left + LETTER, top + FONT], FONT, title.clone())));
                picture(&mut marks, sheet, [left, top + TITLE, IMAGE, tall(sheet)]);
                side(&mut marks, sheet, [left + IMAGE + 6.0, top + TITLE, tall(sheet)]);
            }
            top += TITLE + row.iter().map(|(_, sheet)| tall(sheet)).fold(0.0, f64::max) + GAP;
        }
        let letters = ((width - 2.0 * GAP) * LETTERS) as usize;
        for line in wrapped(caption, letters.max(20)) {
            marks.push(Mark::Text(Text::at([GAP, top + FONT - 1.0], FONT - 1.0, line)));
            top += 1.35 * FONT;
        }
        Self { size: [width, top + GAP], marks, description: caption.to_owned() }
    }
}

impl Text {
    fn at(at: [f64; 2], size: f64, text: String) -> Self {
        Self { at, size, text, is_centered: false, is_bold: false, is_outlined: false }
    }
}

/// The image and its scale bar in a rectangle `[left, top, width, height]`.
fn picture(marks: &mut Vec<Mark>, sheet: &Sheet, [left, top, width, height]: [f64; 4]) {
    marks.push(Mark::Image { at: [left, top, width, height], size: sheet.size, pixels: sheet.pixels.clone() });
    if let Some(bar) = &sheet.scale_bar {
        let length = bar.pixels * width / sheet.size[0].max(1) as f64;
        let (x, y) = (left + 8.0, top + height - 10.0);
        marks.push(Mark::Box { at: [x, y, length, 3.0], edge: 0.6 });
        let text = Text::at([x + length / 2.0, y - 4.0], FONT, bar.text.clone());
        marks.push(Mark::Text(Text { is_centered: true, is_outlined: true, ..text }));
    }
}

/// The color bar, or the color wheel, at `[left, top, height]`.
fn side(marks: &mut Vec<Mark>, sheet: &Sheet, [left, top, height]: [f64; 3]) {
    let mut text = |at: [f64; 2], text: &str, is_centered: bool| {
        marks.push(Mark::Text(Text { is_centered, ..Text::at(at, FONT - 1.0, text.to_owned()) }));
    };
    match &sheet.bar {
        Bar::None => {}
        Bar::Tone(tone, unit) => {
            let middle = (tone.limits.low + tone.limits.high) / 2.0;
            let x = left + BAR + 4.0;
            for (value, y) in [
                (tone.limits.high, top + FONT - 2.0),
                (middle, top + height / 2.0 + 4.0),
                (tone.limits.low, top + height),
            ] {
                text([x, y], &short_number(value).replace('-', "−"), false);
            }
            text([left, top - 5.0], unit, false);
            let color = |at: u32| tone.colormap.rgb(tone.scale.apply(1.0 - f64::from(at) / 16.0));
            marks.push(Mark::Gradient { at: [left, top, BAR, height], stops: (0..=16).map(color).collect() });
        }
        Bar::Wheel => {
            const PIXELS: usize = 160;
            text([left + 49.0, top + 27.0], "0", false);
            text([left + 23.0, top + 60.0], "phase, rad", true);
            let pixels = ComplexColors::default().wheel(PIXELS);
            marks.push(Mark::Image { at: [left, top, 46.0, 46.0], size: [PIXELS, PIXELS], pixels });
        }
    }
}

/// Lines of at most this many letters, broken between words.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > letters {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imaging::{Colormap, Limits, Scale, ScaleBar, Tone};

    #[test]
    fn a_figure_has_title_image_bars_numbers_and_caption() {
        let tone = Tone { colormap: Colormap::Viridis, scale: Scale::Linear, limits: Limits { low: -0.5, high: 1.25 } };
        let scale_bar = Some(ScaleBar { pixels: 2.0, text: "2 µm".to_owned() });
        let sheet = Sheet { size: [4, 2], pixels: vec![[9, 9, 9, 255]; 8], bar: Bar::Tone(tone, "rad"), scale_bar };
        let wheel = Sheet { bar: Bar::Wheel, scale_bar: None, ..sheet.clone() };
        let panels = [("Phase <raw>".to_owned(), sheet), ("Complex".to_owned(), wheel)];
        let svg = figure_svg(&panels, 2, "Dose 1e6 photons & more, over a line long enough to be broken into two or more lines of text below the images of the figure").unwrap();
        for part in
            ["Phase &lt;raw&gt;", "2 µm", "−0.5", "1.25", "rad", "0.375", "photons &amp; more", "linearGradient"]
        {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("data:image/png;base64,").count(), 3, "two images and the wheel");
        // The scale bar is as long as half of the image, which has four columns.
        assert!(svg.contains("width=\"130.00\" height=\"3.00\""));
        let pdf = figure_pdf(&panels, 2, "Dose").unwrap();
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.starts_with("%PDF-1.") && text.trim_end().ends_with("%%EOF"));
        // Two images, a color bar and the wheel, each with its transparency.
        assert_eq!(text.matches("/Subtype /Image").count(), 8);
        assert!(wrapped("a bb ccc", 4).len() == 2 && wrapped("", 4) == [""]);
    }
}
