//! A self-contained HTML page: styles, images and curves are embedded.

use super::base64;
use super::chart::Chart;
use super::number::significant;
use super::table::Table;
use crate::imaging::{Colormap, Limits};

/// An image with caption and color scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Bytes of a PNG file.
    pub png: Vec<u8>,
    /// Caption, also used as alternative text.
    pub caption: String,
    /// Limits, colors and unit of the color scale; `None` for no scale.
    pub scale: Option<(Limits, Colormap, &'static str)>,
}

/// A page under construction, from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    title: String,
    body: String,
}

impl Page {
    /// A page with a heading and a subtitle.
    pub fn new(title: &str, lead: &str) -> Self {
        let body = format!("<header><h1>{}</h1>\n<p class=\"lead\">{}</p></header>\n", escape(title), escape(lead));
        Self { title: title.to_owned(), body }
    }

    /// Adds a heading.
    pub fn section(&mut self, heading: &str) {
        self.body.push_str(&format!("<h2>{}</h2>\n", escape(heading)));
    }

    /// Adds a smaller heading.
    pub fn subsection(&mut self, heading: &str) {
        self.body.push_str(&format!("<h3>{}</h3>\n", escape(heading)));
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.body.push_str(&format!("<p>{}</p>\n", escape(text)));
    }

    /// Adds a list of notes, unless it is empty.
    pub fn notes(&mut self, notes: &[String]) {
        if !notes.is_empty() {
            let items: String = notes.iter().map(|text| format!("<li>{}</li>\n", escape(text))).collect();
            self.body.push_str(&format!("<ul class=\"notes\">\n{items}</ul>\n"));
        }
    }

    /// Adds a table, unless it is empty.
    pub fn table(&mut self, table: &Table) {
        if !table.is_empty() {
            self.body.push_str(&table.to_html());
        }
    }

    /// Adds a chart, unless it has no curves.
    pub fn chart(&mut self, chart: &Chart) {
        if !chart.lines.is_empty() {
            self.body.push_str(&chart.to_html());
        }
    }

    /// Adds images, three per row.
    pub fn figures(&mut self, figures: &[Figure]) {
        self.body.push_str("<div class=\"images\">\n");
        for figure in figures {
            self.body.push_str(&format!(
                "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{}\">\n<figcaption>{caption}</figcaption>{}</figure>\n",
                base64::encode(&figure.png),
                figure.scale.map_or_else(String::new, |(limits, colormap, unit)| bar(limits, colormap, unit)),
                caption = escape(&figure.caption)
            ));
        }
        self.body.push_str("</div>\n");
    }

    /// The complete page.
    pub fn finish(self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
             <body>\n<main>\n{}<footer>Written by ptychoscope {}.</footer>\n</main>\n</body>\n</html>\n",
            escape(&self.title),
            self.body,
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// Color scale with the values at its ends.
fn bar(limits: Limits, colormap: Colormap, unit: &str) -> String {
    let stops: Vec<String> = (0..=16)
        .map(|i| {
            let [r, g, b] = colormap.rgb(f64::from(i) / 16.0);
            format!("rgb({r} {g} {b})")
        })
        .collect();
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!(
        "<div class=\"bar\"><span>{}</span><i style=\"background:linear-gradient(to right,{})\"></i><span>{}{}</span></div>",
        significant(limits.low, 3),
        stops.join(","),
        significant(limits.high, 3),
        escape(&unit)
    )
}

/// Escapes text for HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Style sheet. The colors are those of Okabe & Ito (2008), distinguishable with most color vision deficiencies, and lighter on
/// dark backgrounds.
const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#fbfbfa;--paper:#fff;--ink:#1d2126;--soft:#5c6670;--line:#d9dde1;--mark:#e8f1ea;--strong:#11633a;\
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0528c;--c4:#8a6d00;--c5:#3e8fc0}
@media(prefers-color-scheme:dark){:root{--ground:#15181b;--paper:#1b1f23;--ink:#e4e7ea;--soft:#9aa5af;--line:#343b42;--mark:#1f3328;--strong:#7fd6a2;\
--c0:#56b4e9;--c1:#f0914a;--c2:#3fc59b;--c3:#dd93bf;--c4:#e6c84a;--c5:#9ccbea}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"Liberation Sans\",sans-serif}
main{max-width:1180px;margin:0 auto;padding:40px 32px 56px}
h1{font-size:28px;line-height:1.25;margin:0 0 4px;font-weight:600;overflow-wrap:anywhere}
h2{font-size:20px;margin:44px 0 10px;font-weight:600}
h3{font-size:16px;margin:26px 0 8px;font-weight:600;overflow-wrap:anywhere}
p{margin:0 0 12px;max-width:78ch;overflow-wrap:anywhere}
.lead{color:var(--soft);margin:0;max-width:none}
.notes{margin:0 0 12px;padding-left:20px;max-width:78ch;color:var(--soft);overflow-wrap:anywhere}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;background:var(--paper);margin:0 0 14px;width:fit-content;max-width:100%}
table{border-collapse:collapse;min-width:560px;font-variant-numeric:tabular-nums}
th,td{padding:6px 12px;text-align:left;border-top:1px solid var(--line);font-weight:400;vertical-align:baseline}
thead th{border-top:0;color:var(--soft);font-size:14px;overflow-wrap:break-word;vertical-align:bottom}
.n{text-align:right;white-space:nowrap}
thead .n{white-space:normal}
tbody th{min-width:150px}
small{color:var(--soft);font-size:13px;margin-left:6px}
.g th{color:var(--soft);font-size:13px;padding-top:14px;font-weight:600}
.best{background:var(--mark);color:var(--strong);font-weight:600}
.images{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:18px;margin:0 0 8px}
figure{margin:0}
.images img{display:block;width:100%;height:auto;border-radius:4px;image-rendering:pixelated}
figcaption{font-size:14px;color:var(--soft);margin-top:6px}
.bar{display:flex;align-items:center;gap:8px;font-size:13px;color:var(--soft);margin-top:4px;font-variant-numeric:tabular-nums}
.bar i{flex:1;height:8px;border-radius:4px;border:1px solid var(--line)}
.bar span{white-space:nowrap}
.chart{margin:0 0 16px;padding:14px 16px;border:1px solid var(--line);border-radius:8px;background:var(--paper)}
.chart figcaption{color:var(--ink);font-size:15px;margin:0 0 4px}
.plot{display:block;width:100%;height:auto}
.plot text{fill:var(--soft);font-size:13px}
.plot .e{text-anchor:end}.plot .m{text-anchor:middle}
.grid{stroke:var(--line);stroke-width:1;fill:none}
.axis,.tick{stroke:var(--soft);stroke-width:1;fill:none}
.l{fill:none;stroke-width:2;stroke-linejoin:round}
.u0,.u1,.u2{stroke:var(--soft);stroke-width:1.3}.u0{stroke-dasharray:7 4}.u1{stroke-dasharray:2 4}.u2{stroke-dasharray:9 3 2 3}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}
.again{stroke-dasharray:10 4}
.d{stroke:none}.d.c0{fill:var(--c0)}.d.c1{fill:var(--c1)}.d.c2{fill:var(--c2)}.d.c3{fill:var(--c3)}.d.c4{fill:var(--c4)}.d.c5{fill:var(--c5)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:6px 0 0;padding:0;font-size:14px;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:8px;overflow-wrap:anywhere}
.legend svg{flex:none}
footer{margin-top:48px;color:var(--soft);font-size:13px}
@media(max-width:760px){main{padding:24px 16px}table{min-width:0}.plot text{font-size:26px}.images{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media print{body{background:#fff}.scroll,.chart,figure{break-inside:avoid}}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_self_contained_and_names_are_escaped() {
        let mut page = Page::new("a & <b>", "under \"it\"");
        page.section("<script>");
        page.figures(&[Figure { png: vec![1, 2, 3], caption: "\"x\"".into(), scale: None }]);
        page.notes(&["<i>".into()]);
        let html = page.finish();
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        for forbidden in ["http://", "https://", "<script", "src=\"/", "@import", "<i>"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("data:image/png;base64,AQID") && html.contains("a &amp; &lt;b&gt;"));
        assert!(html.contains("prefers-color-scheme:dark") && html.contains("alt=\"&quot;x&quot;\""));
    }

    #[test]
    fn every_color_of_a_chart_is_defined_for_light_and_dark() {
        for color in 0..super::super::chart::COLORS {
            assert_eq!(STYLE.matches(&format!("--c{color}:")).count(), 2);
            assert!(STYLE.contains(&format!(".c{color}{{stroke")) && STYLE.contains(&format!(".d.c{color}{{fill")));
        }
    }

    #[test]
    fn the_color_scale_has_limits_and_unit() {
        let html = bar(Limits { low: -1.5, high: 0.25 }, Colormap::Gray, "rad");
        assert!(html.contains("<span>−1.50</span>") && html.contains("<span>0.250 rad</span>"), "{html}");
        assert!(html.contains("rgb(0 0 0),") && html.contains(",rgb(255 255 255)"));
    }
}
