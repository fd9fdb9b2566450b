//! Curves: a figure of each target over a size, on logarithmic axes.

use std::fmt::Write as _;

use super::{NAMES, WIDTH, begin, escaped, is_own, short};

/// A curve: its name and its points.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A target has the same colour in every drawing.
fn class(name: &str) -> &'static str {
    match name {
        "direct" => "direct",
        "nginx" => "nginx",
        "haproxy" => "haproxy",
        "codex-plus, passthrough" => "passthrough",
        "codex-plus" => "plain",
        "codex-plus, editing" => "editing",
        floor if floor.starts_with("floor") => "floor",
        _ => "else",
    }
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

/// Places for names that would stand at these heights, which rise: none covers another, and all are
/// within the drawing.
fn apart(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    const STEP: f64 = 17.0;
    let mut places = wanted.to_vec();
    let mut least = top;
    for place in &mut places {
        *place = place.max(least);
        least = *place + STEP;
    }
    let mut most = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - STEP;
    }
    places
}

/// What the horizontal axis is, and how its values are written.
#[derive(Clone, Copy)]
pub(crate) struct Across<'a> {
    pub(crate) name: &'a str,
    pub(crate) said: &'a dyn Fn(f64) -> String,
}

/// Curves on logarithmic axes.
pub(crate) fn curves(title: &str, subtitle: &str, across: Across<'_>, curves: &[Curve]) -> String {
    const HEIGHT: f64 = 400.0;
    const LEFT: f64 = 64.0;
    const RIGHT: f64 = WIDTH - NAMES;
    const TOP: f64 = 76.0;
    const BOTTOM: f64 = HEIGHT - 52.0;
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let x = Scale::over(points().map(|p| p.0), LEFT, RIGHT);
    let y = Scale::over(points().map(|p| p.1), BOTTOM, TOP);
    let mut svg = String::new();
    begin(&mut svg, HEIGHT, title, subtitle);
    for step in y.steps() {
        let at = y.at(step);
        let _ = write!(
            svg,
            r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{at:.1}" y2="{at:.1}" class="grid"/>
<text x="{tx}" y="{ty:.1}" text-anchor="end" class="quiet">{label}</text>
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
            r#"<text x="{:.1}" y="{}" text-anchor="middle" class="quiet">{}</text>"#,
            x.at(column),
            HEIGHT - 32.0,
            (across.said)(column),
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="{:.1}" y="{}" text-anchor="middle" class="quiet">{}</text>"#,
        f64::midpoint(LEFT, RIGHT),
        HEIGHT - 12.0,
        across.name
    );
    // Names stand where curves end.
    let mut ends: Vec<(f64, &Curve)> = curves
        .iter()
        .filter_map(|curve| Some((y.at(curve.points.last()?.1), curve)))
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wanted: Vec<f64> = ends.iter().map(|end| end.0).collect();
    let places = apart(&wanted, TOP, BOTTOM);
    for ((_, curve), place) in ends.into_iter().zip(places) {
        let (class, own) = (class(&curve.name), is_own(&curve.name));
        let path: Vec<String> = curve
            .points
            .iter()
            .map(|p| format!("{:.1},{:.1}", x.at(p.0), y.at(p.1)))
            .collect();
        let width = if own { " line-own" } else { "" };
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" class="line{width} {class}"/>"#,
            path.join(" ")
        );
        for point in &curve.points {
            let _ = writeln!(
                svg,
                r#"<circle cx="{:.1}" cy="{:.1}" r="3.5" class="dot {class}"/>"#,
                x.at(point.0),
                y.at(point.1)
            );
        }
        let value = curve.points.last().map_or(0.0, |p| p.1);
        let weight = if own { 600 } else { 400 };
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" font-weight="{weight}" class="name {class}">{} {}</text>"#,
            RIGHT + 12.0,
            place + 4.0,
            escaped(&curve.name),
            short(value)
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_neither_cover_each_other_nor_leave_the_drawing() {
        for wanted in [
            &[80.0, 81.0, 200.0][..],
            &[345.0, 346.0, 347.0, 348.0],
            &[76.0, 76.0, 347.0, 348.0],
        ] {
            let places = apart(wanted, 76.0, 348.0);
            assert!(places.is_sorted_by(|a, b| b - a >= 17.0), "{places:?}");
            assert!(
                places[0] >= 76.0 && places[places.len() - 1] <= 348.0,
                "{places:?}"
            );
        }
    }
}
