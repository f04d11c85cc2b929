//! The figure as PDF: one page, with the fonts that every viewer has.
//!
//! Hazard: these fonts are not embedded and know Latin letters only. Remedy: Greek letters and signs of mathematics are taken from
//! the font Symbol; a letter in neither becomes a question mark.

use super::{Figure, Mark, Text};
use crate::error::{Error, Result};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::TextRenderingMode;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use std::io::Write;

/// Fonts: name in the page, name in PDF, and encoding unless it is the font's own.
const FONTS: [[&[u8]; 3]; 3] = [
    [b"F0", b"Helvetica", b"WinAnsiEncoding"],
    [b"F1", b"Helvetica-Bold", b"WinAnsiEncoding"],
    [b"F2", b"Symbol", b""],
];
/// Number of the font Symbol.
const SYMBOL: usize = 2;
/// Widths of the letters from space to tilde in Helvetica, thousandths of the font size.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];
/// Width of the other letters, which differ little from one another.
const OTHER_WIDTH: u16 = 556;
/// Letters outside Latin-1 in WinAnsi.
const WIN_ANSI: [(char, u8); 12] = [
    ('\u{a0}', 0x20),
    ('€', 0x80),
    ('…', 0x85),
    ('‘', 0x91),
    ('’', 0x92),
    ('“', 0x93),
    ('”', 0x94),
    ('•', 0x95),
    ('–', 0x96),
    ('−', 0x96),
    ('—', 0x97),
    ('μ', 0xb5),
];
/// Letters of the font Symbol.
const SYMBOLS: [(char, u8); 12] = [
    ('Σ', b'S'),
    ('√', 0xd6),
    ('α', b'a'),
    ('β', b'b'),
    ('γ', b'g'),
    ('Δ', b'D'),
    ('θ', b'q'),
    ('λ', b'l'),
    ('π', b'p'),
    ('σ', b's'),
    ('φ', b'f'),
    ('ω', b'w'),
];

/// Numbers of the objects of a PDF.
struct Ids(i32);

impl Ids {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

pub(super) fn write(figure: &Figure) -> Result<Vec<u8>> {
    let [width, height] = figure.size.map(|side| side as f32);
    let (mut pdf, mut ids) = (Pdf::new(), Ids(0));
    let (catalog, tree, page_id, content_id, info) = (ids.next(), ids.next(), ids.next(), ids.next(), ids.next());
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids([page_id]).count(1);
    pdf.document_info(info)
        .title(TextStr("Figure"))
        .subject(TextStr(&figure.description))
        .creator(TextStr(concat!("Ptychoscope ", env!("CARGO_PKG_VERSION"))));
    let mut content = Content::new();
    content.set_fill_rgb(1.0, 1.0, 1.0).rect(0.0, 0.0, width, height).fill_nonzero();
    let mut images = Vec::new();
    for mark in &figure.marks {
        match mark {
            Mark::Text(text) => draw_text(&mut content, text, height),
            Mark::Box { at, edge } => {
                let [left, bottom, width, tall] = from_below(*at, height);
                content.set_fill_gray(1.0).set_stroke_gray(0.0).set_line_width(*edge as f32);
                content.rect(left, bottom, width, tall).fill_nonzero_and_stroke();
            }
            Mark::Image { at, size, pixels } => {
                images.push(image(&mut pdf, &mut ids, *size, pixels)?);
                place(&mut content, images.len(), from_below(*at, height));
            }
            Mark::Gradient { at, stops } => {
                let at = from_below(*at, height);
                let pixels = smooth(stops);
                images.push(image(&mut pdf, &mut ids, [1, pixels.len()], &pixels)?);
                place(&mut content, images.len(), at);
                content.set_stroke_gray(0.0).set_line_width(0.5).rect(at[0], at[1], at[2], at[3]).stroke();
            }
        }
    }
    pdf.stream(content_id, &compressed(&content.finish())?).filter(Filter::FlateDecode);
    let fonts = FONTS.map(|[name, font, encoding]| {
        let id = ids.next();
        let mut written = pdf.type1_font(id);
        written.base_font(Name(font));
        if !encoding.is_empty() {
            written.encoding_predefined(Name(encoding));
        }
        (name, id)
    });
    let mut page = pdf.page(page_id);
    page.media_box(Rect::new(0.0, 0.0, width, height)).parent(tree).contents(content_id);
    let mut resources = page.resources();
    let mut named = resources.fonts();
    for (name, id) in fonts {
        named.pair(Name(name), id);
    }
    named.finish();
    let mut named = resources.x_objects();
    for (number, id) in images.into_iter().enumerate() {
        named.pair(Name(&image_name(number + 1)), id);
    }
    named.finish();
    resources.finish();
    page.finish();
    Ok(pdf.finish())
}

/// A rectangle `[left, top, width, height]` as `[left, bottom, width, height]` from the bottom of the page.
fn from_below([left, top, width, height]: [f64; 4], page: f32) -> [f32; 4] {
    [left as f32, page - (top + height) as f32, width as f32, height as f32]
}

fn image_name(number: usize) -> Vec<u8> {
    format!("I{number}").into_bytes()
}

fn place(content: &mut Content, number: usize, [left, bottom, width, height]: [f32; 4]) {
    content.save_state().transform([width, 0.0, 0.0, height, left, bottom]);
    content.x_object(Name(&image_name(number))).restore_state();
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.map_err(|error| Error::failed(format!("The figure cannot be compressed ({error})")))
}

/// Writes an image with its transparency.
fn image(pdf: &mut Pdf, ids: &mut Ids, [columns, rows]: [usize; 2], pixels: &[[u8; 4]]) -> Result<Ref> {
    let (id, mask) = (ids.next(), ids.next());
    let colors = compressed(&pixels.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect::<Vec<u8>>())?;
    let opacity = compressed(&pixels.iter().map(|[.., alpha]| *alpha).collect::<Vec<u8>>())?;
    for (id, bytes, mask) in [(id, &colors, Some(mask)), (mask, &opacity, None)] {
        let mut image = pdf.image_xobject(id, bytes);
        image.filter(Filter::FlateDecode);
        image.width(columns as i32).height(rows as i32).bits_per_component(8);
        match mask {
            Some(mask) => {
                image.color_space().device_rgb();
                image.s_mask(mask);
            }
            None => image.color_space().device_gray(),
        }
    }
    Ok(id)
}

/// A column of 256 pixels between the stops.
fn smooth(stops: &[[u8; 3]]) -> Vec<[u8; 4]> {
    const PIXELS: usize = 256;
    let at = |pixel: usize| {
        let place = pixel as f64 / (PIXELS - 1) as f64 * stops.len().saturating_sub(1) as f64;
        let (low, share) = (place.floor() as usize, place.fract());
        let stop = |index: usize| stops.get(index).or(stops.last()).copied().unwrap_or_default();
        let (from, to) = (stop(low), stop(low + 1));
        let [r, g, b] =
            [0, 1, 2].map(|c| (f64::from(from[c]) * (1.0 - share) + f64::from(to[c]) * share).round() as u8);
        [r, g, b, 255]
    };
    (0..PIXELS).map(at).collect()
}

/// Pieces of a text in one font each, with their width in thousandths of the font size.
fn pieces(text: &str, is_bold: bool) -> Vec<(usize, Vec<u8>, u32)> {
    let mut pieces: Vec<(usize, Vec<u8>, u32)> = Vec::new();
    for letter in text.chars() {
        let of = |table: &[(char, u8)]| table.iter().find(|(known, _)| *known == letter).map(|(_, code)| *code);
        let latin = u8::try_from(u32::from(letter)).ok().filter(|code| matches!(code, 0x20..=0x7e | 0xa1..));
        let (font, code) = match (of(&SYMBOLS), of(&WIN_ANSI).or(latin)) {
            (Some(code), _) => (SYMBOL, code),
            (None, code) => (usize::from(is_bold), code.unwrap_or(b'?')),
        };
        let index = usize::from(code).checked_sub(0x20).filter(|_| font != SYMBOL);
        let width = index.and_then(|index| WIDTHS.get(index)).copied().unwrap_or(OTHER_WIDTH);
        match pieces.last_mut().filter(|(known, ..)| *known == font) {
            Some((_, codes, sum)) => {
                codes.push(code);
                *sum += u32::from(width);
            }
            None => pieces.push((font, vec![code], u32::from(width))),
        }
    }
    pieces
}

fn draw_text(content: &mut Content, text: &Text, page: f32) {
    let size = text.size as f32;
    let pieces = pieces(&text.text, text.is_bold);
    let width = pieces.iter().map(|(.., width)| *width).sum::<u32>() as f32 / 1000.0 * size;
    let left = text.at[0] as f32 - if text.is_centered { width / 2.0 } else { 0.0 };
    // The outline lies below the letters.
    let passes: &[(TextRenderingMode, f32)] = match text.is_outlined {
        true => &[(TextRenderingMode::Stroke, 0.0), (TextRenderingMode::Fill, 1.0)],
        false => &[(TextRenderingMode::Fill, 0.0)],
    };
    for (mode, gray) in passes {
        content.begin_text().set_text_rendering_mode(*mode);
        content.set_fill_gray(*gray).set_stroke_gray(0.0).set_line_width(2.0);
        content.next_line(left, page - text.at[1] as f32);
        for (font, codes, _) in &pieces {
            let [name, ..] = FONTS[*font];
            content.set_font(Name(name), size).show(Str(codes));
        }
        content.end_text();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_taken_from_the_font_that_has_them() {
        let found = pieces("Σ|F| − 2 µm ≈", false);
        assert_eq!(found[0], (SYMBOL, b"S".to_vec(), 556));
        assert_eq!(found[1].1, b"|F| \x96 2 \xb5m ?");
        // Numbers are as wide as each other, and an i is narrow.
        assert_eq!([pieces("12", false)[0].2, pieces("i", true)[0].2], [1112, 222]);
    }

    #[test]
    fn colors_between_stops_are_mixed() {
        let column = smooth(&[[0, 0, 0], [255, 0, 100]]);
        assert_eq!(
            (column.len(), column[0], column[255], column[51]),
            (256, [0, 0, 0, 255], [255, 0, 100, 255], [51, 0, 20, 255])
        );
    }
}
