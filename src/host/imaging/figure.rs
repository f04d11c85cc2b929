//! Figure for a publication as SVG: images with title, color bar and scale bar in vector form, and a caption.

use super::complex::ComplexColors;
use super::sheet::{Bar, Sheet};
use super::text::short_number;
use crate::error::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbaImage;
use std::fmt::Write;

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

/// SVG of these images with their titles, `columns` per row, and a caption below. Pixels stay sharp when enlarged.
///
/// # Errors
/// An image cannot be encoded.
pub fn figure_svg(panels: &[(String, Sheet)], columns: usize, caption: &str) -> Result<String> {
    let columns = columns.clamp(1, panels.len().max(1));
    let tall = |sheet: &Sheet| IMAGE * sheet.size[1].max(1) as f64 / sheet.size[0].max(1) as f64;
    let width = GAP + columns as f64 * (IMAGE + SIDE + GAP);
    let mut body = String::new();
    let mut top = GAP;
    for (number, row) in panels.chunks(columns).enumerate() {
        for (column, (title, sheet)) in row.iter().enumerate() {
            let index = number * columns + column;
            let left = GAP + column as f64 * (IMAGE + SIDE + GAP);
            let letter = char::from(b'a' + (index % 26) as u8);
            let title = format!("<tspan font-weight=\"bold\">{letter}</tspan>  {}", escaped(title));
            text(&mut body, [left, top + FONT], "start", FONT, &title);
            picture(&mut body, sheet, [left, top + TITLE, IMAGE, tall(sheet)])?;
            side(&mut body, sheet, [left + IMAGE + 6.0, top + TITLE, tall(sheet)], index)?;
        }
        top += TITLE + row.iter().map(|(_, sheet)| tall(sheet)).fold(0.0, f64::max) + GAP;
    }
    let letters = ((width - 2.0 * GAP) * LETTERS) as usize;
    for line in wrapped(caption, letters.max(20)) {
        text(&mut body, [GAP, top + FONT - 1.0], "start", FONT - 1.0, &escaped(&line));
        top += 1.35 * FONT;
    }
    let height = top + GAP;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.1}\" height=\"{height:.1}\" \
         viewBox=\"0 0 {width:.1} {height:.1}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <desc>{}</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n",
        escaped(caption)
    ))
}

fn text(body: &mut String, [x, y]: [f64; 2], anchor: &str, size: f64, markup: &str) {
    let _infallible = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.1}\" text-anchor=\"{anchor}\" xml:space=\"preserve\">{markup}</text>"
    );
}

/// PNG of RGBA pixels as a data URI.
fn uri([columns, rows]: [usize; 2], pixels: &[[u8; 4]]) -> Result<String> {
    let raw = pixels.iter().flatten().copied().collect();
    let image = RgbaImage::from_raw(columns as u32, rows as u32, raw).unwrap_or_default();
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(super::encode_rgba(image)?)))
}

/// The image and its scale bar in a rectangle `[left, top, width, height]`.
fn picture(body: &mut String, sheet: &Sheet, [left, top, width, height]: [f64; 4]) -> Result<()> {
    let uri = uri(sheet.size, &sheet.pixels)?;
    let _infallible = writeln!(
        body,
        "<image x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         style=\"image-rendering:pixelated\" href=\"{uri}\"/>"
    );
    if let Some(bar) = &sheet.scale_bar {
        let length = bar.pixels * width / sheet.size[0].max(1) as f64;
        let (x, y) = (left + 8.0, top + height - 10.0);
        let _infallible = writeln!(
            body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.2}\" height=\"3\" fill=\"white\" stroke=\"black\" \
             stroke-width=\"0.6\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{FONT:.1}\" text-anchor=\"middle\" \
             fill=\"white\" stroke=\"black\" stroke-width=\"2\" paint-order=\"stroke\">{}</text>",
            x + length / 2.0,
            y - 4.0,
            escaped(&bar.text)
        );
    }
    Ok(())
}

/// The color bar, or the color wheel, at `[left, top, height]`; `id` names its gradient.
fn side(body: &mut String, sheet: &Sheet, [left, top, height]: [f64; 3], id: usize) -> Result<()> {
    match &sheet.bar {
        Bar::None => {}
        Bar::Tone(tone, unit) => {
            let id = format!("bar{id}");
            let mut stops = String::new();
            for at in 0..=16u32 {
                let share = f64::from(at) / 16.0;
                let [r, g, b] = tone.colormap.rgb(tone.scale.apply(1.0 - share));
                let _infallible = write!(stops, "<stop offset=\"{share:.4}\" stop-color=\"rgb({r},{g},{b})\"/>");
            }
            let _infallible = writeln!(
                body,
                "<linearGradient id=\"{id}\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1\">{stops}</linearGradient>\n\
                 <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{BAR}\" height=\"{height:.1}\" fill=\"url(#{id})\" \
                 stroke=\"black\" stroke-width=\"0.5\"/>"
            );
            let middle = (tone.limits.low + tone.limits.high) / 2.0;
            let x = left + BAR + 4.0;
            for (value, y) in [
                (tone.limits.high, top + FONT - 2.0),
                (middle, top + height / 2.0 + 4.0),
                (tone.limits.low, top + height),
            ] {
                text(body, [x, y], "start", FONT - 1.0, &escaped(&short_number(value).replace('-', "−")));
            }
            text(body, [left, top - 5.0], "start", FONT - 1.0, &escaped(unit));
        }
        Bar::Wheel => {
            const PIXELS: usize = 160;
            let uri = uri([PIXELS, PIXELS], &ComplexColors::default().wheel(PIXELS))?;
            let _infallible =
                writeln!(body, "<image x=\"{left:.1}\" y=\"{top:.1}\" width=\"46\" height=\"46\" href=\"{uri}\"/>");
            text(body, [left + 49.0, top + 27.0], "start", FONT - 1.0, "0");
            text(body, [left + 23.0, top + 60.0], "middle", FONT - 1.0, "phase, rad");
        }
    }
    Ok(())
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

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
        assert!(svg.contains("width=\"130.00\" height=\"3\""));
        assert!(wrapped("a bb ccc", 4).len() == 2 && wrapped("", 4) == [""]);
    }
}
