//! Bars: one figure of each target.

use std::fmt::Write as _;

use super::{NAMES, WIDTH, begin, escaped, is_own, short};

/// A bar: its name, its length, and a second mark on the same scale (a higher percentile).
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) mark: Option<f64>,
}

/// Horizontal bars.
pub(crate) fn bars(title: &str, subtitle: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = NAMES;
    const STEP: f64 = 34.0;
    let rows = u32::try_from(bars.len()).unwrap_or_default();
    let height = 84.0 + STEP * f64::from(rows);
    let longest = bars
        .iter()
        .map(|bar| bar.value.max(bar.mark.unwrap_or(0.0)))
        .fold(0.0, f64::max);
    let scale = (WIDTH - LEFT - 120.0) / longest.max(f64::MIN_POSITIVE);
    let mut svg = String::new();
    begin(&mut svg, height, title, subtitle);
    let mut y = 72.0;
    for bar in bars {
        let own = is_own(&bar.name);
        let (class, weight) = if own { ("bar-own", 600) } else { ("bar", 400) };
        // What is there can be seen, and what is below nothing has no length.
        let (length, middle) = ((bar.value * scale).max(1.5), y + 16.0);
        let _ = write!(
            svg,
            r#"<text x="{tx}" y="{middle}" text-anchor="end" font-weight="{weight}" class="ink">{name}</text>
<rect x="{LEFT}" y="{y}" width="{length:.1}" height="22" rx="{round:.1}" class="{class}"/>
"#,
            tx = LEFT - 10.0,
            // Half of it at most, or a short bar would be a blob.
            round = (length / 2.0).min(3.0),
            name = escaped(&bar.name),
        );
        let mut end = LEFT + length;
        if let Some(mark) = bar.mark {
            let x = LEFT + mark * scale;
            let _ = write!(
                svg,
                r#"<line x1="{end:.1}" x2="{x:.1}" y1="{ly}" y2="{ly}" class="{class}" stroke-width="2"/>
<line x1="{x:.1}" x2="{x:.1}" y1="{t}" y2="{b}" class="{class}" stroke-width="2"/>
"#,
                ly = y + 11.0,
                t = y + 4.0,
                b = y + 18.0,
            );
            end = end.max(x);
        }
        let said = bar.mark.map_or_else(
            || short(bar.value),
            |mark| format!("{} / {}", short(bar.value), short(mark)),
        );
        let _ = writeln!(
            svg,
            r#"<text x="{x:.1}" y="{middle}" font-weight="{weight}" class="ink">{said}</text>"#,
            x = end + 8.0
        );
        y += STEP;
    }
    svg + "</svg>\n"
}
