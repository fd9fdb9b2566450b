//! Prometheus' text format, version 0.0.4, which every collector of it reads.

use std::fmt::Write as _;

use super::family::{Families, Kind, Labels, Value};

/// The format's media type.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All families as text.
pub(crate) fn render(families: &Families) -> String {
    let mut out = String::with_capacity(16 << 10);
    for family in &families.0 {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let name = family.name;
        let _ = writeln!(out, "# HELP {name} {}", family.help);
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for sample in &family.samples {
            match &sample.value {
                Value::Number(value) => line(&mut out, name, "", &sample.labels, None, *value),
                Value::Spread(spread) => {
                    let bounds = spread.bounds.iter().map(ToString::to_string);
                    let bounds = bounds.chain(["+Inf".to_owned()]);
                    let mut count = 0;
                    for (bound, more) in bounds.zip(&spread.counts) {
                        count += more;
                        let labels = &sample.labels;
                        line(&mut out, name, "_bucket", labels, Some(&bound), count);
                    }
                    line(&mut out, name, "_sum", &sample.labels, None, spread.sum);
                    line(&mut out, name, "_count", &sample.labels, None, count);
                }
            }
        }
    }
    out
}

fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &Labels,
    bound: Option<&str>,
    value: impl std::fmt::Display,
) {
    let _ = write!(out, "{name}{suffix}");
    let labels = labels.iter().map(|(name, value)| (*name, value.as_ref()));
    let mut before = '{';
    for (name, value) in labels.chain(bound.map(|bound| ("le", bound))) {
        let _ = write!(out, "{before}{name}=\"");
        for character in value.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

#[cfg(test)]
mod tests {
    use super::super::family::Spread;
    use super::*;

    #[test]
    fn buckets_add_up_and_labels_are_escaped() {
        let mut families = Families::default();
        families.number("a_total", "As.", Kind::Counter, 3);
        let spread = Spread {
            bounds: vec![0.001, 1.0],
            counts: vec![2, 0, 1],
            sum: 5.5,
        };
        let labels = vec![("hook", "a\"\\\n".into())];
        let family = families.family("b_seconds", "Bs.", Kind::Histogram);
        family.spread(labels, spread);
        assert_eq!(
            render(&families),
            r#"# HELP a_total As.
# TYPE a_total counter
a_total 3
# HELP b_seconds Bs.
# TYPE b_seconds histogram
b_seconds_bucket{hook="a\"\\\n",le="0.001"} 2
b_seconds_bucket{hook="a\"\\\n",le="1"} 2
b_seconds_bucket{hook="a\"\\\n",le="+Inf"} 3
b_seconds_sum{hook="a\"\\\n"} 5.5
b_seconds_count{hook="a\"\\\n"} 3
"#
        );
    }
}
