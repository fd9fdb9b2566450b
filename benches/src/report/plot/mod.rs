//! Drawings of tables, as SVG: bars for one figure of each target, curves for a figure over a
//! size. The proxy stands out; what it is compared with stays grey and is named where it ends.

mod bars;
mod curves;

use std::fmt::Write as _;

pub(crate) use bars::{Bar, bars};
pub(crate) use curves::{Across, Curve, curves};

const WIDTH: f64 = 800.0;
/// Room for the longest name of a line with its figure.
const NAMES: f64 = 248.0;

/// Colours by class, for light pages and for dark ones; everything drawn has a class.
const STYLE: &str = "
.card { fill: #ffffff } .ink { fill: #1f2933 } .quiet { fill: #66727f } .grid { stroke: #e4e7eb }
.bar { fill: #b8c2cc; stroke: #b8c2cc } .bar-own { fill: #0b7285; stroke: #0b7285 }
.line { fill: none; stroke-linejoin: round; stroke-width: 2 } .line-own { stroke-width: 3 }
.direct { color: #7b8794 } .nginx { color: #b26a36 } .haproxy { color: #6474c4 } .floor { color: #4d8a63 }
.passthrough { color: #0b7285 } .plain { color: #1554a8 } .editing { color: #9c2f7f } .else { color: #66727f }
.line { stroke: currentColor } .dot, .name { fill: currentColor }
@media (prefers-color-scheme: dark) {
.card { fill: #161b22 } .ink { fill: #e6edf3 } .quiet { fill: #9aa4af } .grid { stroke: #30363d }
.bar { fill: #56616d; stroke: #56616d } .bar-own { fill: #3bb3c8; stroke: #3bb3c8 }
.direct { color: #9aa4af } .nginx { color: #dd9a68 } .haproxy { color: #98a5ec } .floor { color: #7fbf96 }
.passthrough { color: #3bb3c8 } .plain { color: #6cabf5 } .editing { color: #e07cc4 } .else { color: #9aa4af }
}
";

/// What is ours stands out.
fn is_own(name: &str) -> bool {
    name.starts_with("codex-plus") || name.contains(" hook")
}

fn begin(svg: &mut String, height: f64, title: &str, subtitle: &str) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">
<style>{STYLE}</style>
<rect width="100%" height="100%" rx="8" class="card"/>
<text x="24" y="32" font-size="17" font-weight="600" class="ink">{title}</text>
<text x="24" y="52" class="quiet">{subtitle}</text>
"#
    );
}

/// A figure with as many digits as a reader can use.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 10_000.0 {
        format!("{:.0}k", value / 1e3)
    } else if size >= 1_000.0 {
        format!("{:.1}k", value / 1e3)
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where text with this anchor begins and ends, if its letters are as wide as wide ones are.
    fn extent(text: &str) -> (f64, f64) {
        let attribute = |name: &str| {
            let (_, after) = text.split_once(&format!("{name}=\""))?;
            after.split('"').next()
        };
        let letters = text.split_once('>').map_or("", |(_, after)| after);
        let letters = letters.split('<').next().unwrap_or_default();
        let size: f64 = attribute("font-size").map_or(13.0, |size| size.parse().unwrap());
        let width = f64::from(u32::try_from(letters.chars().count()).unwrap()) * size * 0.58;
        let x: f64 = attribute(" x").unwrap().parse().unwrap();
        match attribute("text-anchor") {
            Some("end") => (x - width, x),
            Some("middle") => (x - width / 2.0, x + width / 2.0),
            _ => (x, x + width),
        }
    }

    #[test]
    fn no_text_is_cut_off() {
        let names = [
            "codex-plus, passthrough",
            "haproxy",
            "Python hook, prompt, 100 kB",
        ];
        let bar = |name: &&str| Bar {
            name: (*name).to_owned(),
            value: 987_654.0,
            mark: Some(9_876_543.0),
        };
        let curve = |name: &&str| Curve {
            name: (*name).to_owned(),
            points: vec![(100.0, 987.0), (10_000.0, 987.5)],
        };
        let bars = bars(
            "Title",
            "what it is",
            &names.iter().map(bar).collect::<Vec<_>>(),
        );
        let curves: Vec<Curve> = names[..2].iter().map(curve).collect();
        let across = Across {
            name: "streams",
            said: &short,
        };
        let curves = super::curves("Title", "what it is", across, &curves);
        for svg in [bars, curves] {
            for text in svg.split("<text").skip(1) {
                let (from, to) = extent(text);
                assert!(from >= 0.0 && to <= WIDTH, "{from} to {to}: {text}");
            }
        }
    }
}
