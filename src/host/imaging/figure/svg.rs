//! The figure as SVG.

use super::{Figure, Mark, Text};
use crate::error::Result;
use crate::imaging::png::encode_rgba;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbaImage;
use std::fmt::Write;

pub(super) fn write(figure: &Figure) -> Result<String> {
    let mut body = String::new();
    for (number, mark) in figure.marks.iter().enumerate() {
        let _infallible = match mark {
            Mark::Text(text) => write_text(&mut body, text),
            Mark::Image { at, size, pixels } => {
                let uri = uri(*size, pixels)?;
                writeln!(body, "<image {} style=\"image-rendering:pixelated\" href=\"{uri}\"/>", rectangle(*at))
            }
            Mark::Box { at, edge } => {
                let at = rectangle(*at);
                writeln!(body, "<rect {at} fill=\"white\" stroke=\"black\" stroke-width=\"{edge}\"/>")
            }
            Mark::Gradient { at, stops } => write_gradient(&mut body, rectangle(*at), stops, number),
        };
    }
    let [width, height] = figure.size;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.1}\" height=\"{height:.1}\" \
         viewBox=\"0 0 {width:.1} {height:.1}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <desc>{}</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n",
        escaped(&figure.description)
    ))
}

fn rectangle([left, top, width, height]: [f64; 4]) -> String {
    format!("x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.2}\" height=\"{height:.2}\"")
}

fn write_text(body: &mut String, text: &Text) -> std::fmt::Result {
    let anchor = if text.is_centered { "middle" } else { "start" };
    let weight = if text.is_bold { " font-weight=\"bold\"" } else { "" };
    let outline = match text.is_outlined {
        true => " fill=\"white\" stroke=\"black\" stroke-width=\"2\" paint-order=\"stroke\"",
        false => "",
    };
    writeln!(
        body,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{:.1}\" text-anchor=\"{anchor}\"{weight}{outline} \
         xml:space=\"preserve\">{}</text>",
        text.at[0],
        text.at[1],
        text.size,
        escaped(&text.text)
    )
}

/// `number` names the gradient.
fn write_gradient(body: &mut String, at: String, stops: &[[u8; 3]], number: usize) -> std::fmt::Result {
    let last = stops.len().saturating_sub(1).max(1) as f64;
    let stop = |(index, [r, g, b]): (usize, &[u8; 3])| {
        format!("<stop offset=\"{:.4}\" stop-color=\"rgb({r},{g},{b})\"/>", index as f64 / last)
    };
    let stops: String = stops.iter().enumerate().map(stop).collect();
    writeln!(
        body,
        "<linearGradient id=\"bar{number}\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1\">{stops}</linearGradient>\n\
         <rect {at} fill=\"url(#bar{number})\" stroke=\"black\" stroke-width=\"0.5\"/>"
    )
}

/// PNG of RGBA pixels as a data URI.
fn uri([columns, rows]: [usize; 2], pixels: &[[u8; 4]]) -> Result<String> {
    let raw = pixels.iter().flatten().copied().collect();
    let image = RgbaImage::from_raw(columns as u32, rows as u32, raw).unwrap_or_default();
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(encode_rgba(image)?)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
