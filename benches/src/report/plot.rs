//! Drawings of tables, as SVG: bars for one figure of each target, curves for a figure over a
//! size. The proxy stands out; what it is compared with stays grey and is named where it ends.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const INK: &str = "#1f2933";
const QUIET: &str = "#7b8794";
const GRID: &str = "#e4e7eb";
const OWN: &str = "#0b7285";
/// Others, each its own grey-blue, so that curves can be told apart without shouting.
const OTHERS: &[&str] = &["#9aa5b1", "#c08457", "#8896d0", "#6b9e78", "#b07aa1"];

/// A bar: its name, its length, and a second mark on the same scale (a higher percentile).
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) mark: Option<f64>,
}

/// A curve: its name and its points.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

fn is_own(name: &str) -> bool {
    name.starts_with("codex-plus")
}

fn colour(name: &str, at: usize) -> &'static str {
    if is_own(name) {
        OWN
    } else {
        OTHERS[at % OTHERS.len()]
    }
}

fn begin(svg: &mut String, height: f64, title: &str, subtitle: &str) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">
<rect width="100%" height="100%" rx="8" fill="white"/>
<text x="24" y="32" font-size="17" font-weight="600" fill="{INK}">{title}</text>
<text x="24" y="52" fill="{QUIET}">{subtitle}</text>
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

/// Horizontal bars.
pub(crate) fn bars(title: &str, subtitle: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 216.0;
    const STEP: f64 = 34.0;
    let rows = u32::try_from(bars.len()).unwrap_or_default();
    let height = 84.0 + STEP * f64::from(rows);
    let longest = bars
        .iter()
        .map(|bar| bar.value.max(bar.mark.unwrap_or(0.0)))
        .fold(0.0, f64::max);
    let scale = (WIDTH - LEFT - 90.0) / longest.max(f64::MIN_POSITIVE);
    let mut svg = String::new();
    begin(&mut svg, height, title, subtitle);
    let mut y = 72.0;
    for bar in bars {
        let own = is_own(&bar.name);
        let (fill, weight) = if own { (OWN, 600) } else { ("#b8c2cc", 400) };
        let (length, middle) = (bar.value * scale, y + 16.0);
        let _ = write!(
            svg,
            r#"<text x="{tx}" y="{middle}" text-anchor="end" font-weight="{weight}" fill="{INK}">{name}</text>
<rect x="{LEFT}" y="{y}" width="{length:.1}" height="22" rx="3" fill="{fill}"/>
"#,
            tx = LEFT - 10.0,
            name = bar.name,
        );
        let mut end = LEFT + length;
        if let Some(mark) = bar.mark {
            let x = LEFT + mark * scale;
            let _ = write!(
                svg,
                r#"<line x1="{end:.1}" x2="{x:.1}" y1="{ly}" y2="{ly}" stroke="{fill}" stroke-width="2"/>
<line x1="{x:.1}" x2="{x:.1}" y1="{t}" y2="{b}" stroke="{fill}" stroke-width="2"/>
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
            r#"<text x="{x:.1}" y="{middle}" font-weight="{weight}" fill="{INK}">{said}</text>"#,
            x = end + 8.0
        );
        y += STEP;
    }
    svg + "</svg>\n"
}

struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).log10();
        let high = values.fold(0.0, f64::max).log10();
        Self {
            low,
            high: high.max(low + 0.1),
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value.log10() - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// 1, 2 and 5 times the powers of ten within; only the powers when there are many.
    fn steps(&self) -> Vec<f64> {
        let factors: &[f64] = if self.high - self.low > 2.2 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        (-3..9)
            .flat_map(|power| {
                factors
                    .iter()
                    .map(move |factor| factor * 10_f64.powi(power))
            })
            .filter(|step| (self.low - 0.01..=self.high + 0.01).contains(&step.log10()))
            .collect()
    }
}

/// Curves on logarithmic axes.
pub(crate) fn curves(title: &str, subtitle: &str, x_name: &str, curves: &[Curve]) -> String {
    const HEIGHT: f64 = 400.0;
    const LEFT: f64 = 64.0;
    const RIGHT: f64 = WIDTH - 180.0;
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let x = Scale::over(points().map(|p| p.0), LEFT, RIGHT);
    let y = Scale::over(points().map(|p| p.1), HEIGHT - 52.0, 76.0);
    let mut svg = String::new();
    begin(&mut svg, HEIGHT, title, subtitle);
    for step in y.steps() {
        let at = y.at(step);
        let _ = write!(
            svg,
            r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{at:.1}" y2="{at:.1}" stroke="{GRID}"/>
<text x="{tx}" y="{ty:.1}" text-anchor="end" fill="{QUIET}">{label}</text>
"#,
            tx = LEFT - 8.0,
            ty = at + 4.0,
            label = short(step).replace(".0", ""),
        );
    }
    let mut columns: Vec<f64> = points().map(|p| p.0).collect();
    columns.sort_by(f64::total_cmp);
    columns.dedup();
    for column in columns {
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{}" text-anchor="middle" fill="{QUIET}">{}</text>"#,
            x.at(column),
            HEIGHT - 32.0,
            short(column).replace(".0", ""),
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="{:.1}" y="{}" text-anchor="middle" fill="{QUIET}">{x_name}</text>"#,
        f64::midpoint(LEFT, RIGHT),
        HEIGHT - 12.0
    );
    // Names stand where curves end, moved apart where they would cover each other.
    let mut names: Vec<(f64, usize)> = curves
        .iter()
        .enumerate()
        .filter_map(|(at, curve)| Some((y.at(curve.points.last()?.1), at)))
        .collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::NEG_INFINITY;
    for (at, number) in names {
        let curve = &curves[number];
        let (stroke, own) = (colour(&curve.name, number), is_own(&curve.name));
        let path: Vec<String> = curve
            .points
            .iter()
            .map(|p| format!("{:.1},{:.1}", x.at(p.0), y.at(p.1)))
            .collect();
        let width = if own { 3 } else { 2 };
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"/>"#,
            path.join(" ")
        );
        for point in &curve.points {
            let _ = writeln!(
                svg,
                r#"<circle cx="{:.1}" cy="{:.1}" r="3.5" fill="{stroke}"/>"#,
                x.at(point.0),
                y.at(point.1)
            );
        }
        above = at.max(above + 17.0);
        let value = curve.points.last().map_or(0.0, |p| p.1);
        let weight = if own { 600 } else { 400 };
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" font-weight="{weight}" fill="{stroke}">{} {}</text>"#,
            RIGHT + 12.0,
            above + 4.0,
            curve.name,
            short(value)
        );
    }
    svg + "</svg>\n"
}
