//! Which drawings a row gets.

use super::plot::{self, Bar, Curve};
use crate::results::{Row, Table};

/// One drawing.
pub(crate) struct Drawing {
    pub(crate) file: String,
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// The drawings of a row; none where its tables say it better.
pub(crate) fn of(row: &Row) -> Vec<Drawing> {
    match row.name.as_str() {
        "passthrough" => short_requests(row),
        "bodies" => vec![over_size(row)],
        "sse" | "websocket" => streams(row),
        _ => Vec::new(),
    }
}

fn drawing(file: &str, title: &str, svg: String) -> Drawing {
    Drawing {
        file: file.to_owned(),
        title: title.to_owned(),
        svg,
    }
}

fn short_requests(row: &Row) -> Vec<Drawing> {
    let Some(table) = row
        .tables
        .iter()
        .find(|table| table.heading.starts_with("10 "))
    else {
        return Vec::new();
    };
    let cpu = "Processor time for a short request";
    let wait = "Latency of a short request";
    vec![
        drawing(
            "requests-cpu.svg",
            cpu,
            plot::bars(
                cpu,
                "µs of CPU for each request at 10 connections; less is better",
                &bars(table, "CPU µs/request", None),
            ),
        ),
        drawing(
            "requests-latency.svg",
            wait,
            plot::bars(
                wait,
                "µs at 10 connections, p50 as the bar and p99 as the mark; less is better",
                &bars(table, "p50 µs", Some("p99 µs")),
            ),
        ),
    ]
}

fn bars(table: &Table, column: &str, mark: Option<&str>) -> Vec<Bar> {
    let lines = table.lines.iter();
    lines
        .filter_map(|line| {
            let value = value(table, &line.name, column)?;
            let mark = mark.and_then(|mark| self::value(table, &line.name, mark));
            Some(Bar {
                name: line.name.clone(),
                value,
                mark,
            })
        })
        .collect()
}

fn value(table: &Table, name: &str, column: &str) -> Option<f64> {
    let at = table.columns.iter().position(|c| c == column)?;
    let line = table.lines.iter().find(|line| line.name == name)?;
    line.values.get(at).copied().flatten()
}

fn over_size(row: &Row) -> Drawing {
    const SIZES: &[(&str, f64)] = &[("100 kB", 100.0), ("1 MB", 1_000.0), ("10 MB", 10_000.0)];
    let title = "Processor time for long requests";
    let curves = curves(row, "CPU µs/request", |heading| {
        SIZES
            .iter()
            .find(|(name, _)| *name == heading)
            .map(|(_, size)| *size)
    });
    drawing(
        "bodies-cpu.svg",
        title,
        plot::curves(
            title,
            "µs of CPU for each request; both axes logarithmic, less is better",
            "body in kB",
            &curves,
        ),
    )
}

fn streams(row: &Row) -> Vec<Drawing> {
    let count = |heading: &str| {
        heading
            .split(' ')
            .next()?
            .parse()
            .ok()
            .filter(|n: &f64| *n >= 100.0)
    };
    let kind = if row.name == "sse" {
        "an event"
    } else {
        "a message"
    };
    let delay = format!("How long {kind} is on its way");
    let memory = format!(
        "Memory of a held stream ({})",
        if row.name == "sse" {
            "SSE"
        } else {
            "WebSocket"
        }
    );
    let mut drawings = vec![drawing(
        &format!("{}-delay.svg", row.name),
        &delay,
        plot::curves(
            &delay,
            "p99 in µs, upstream and client included; both axes logarithmic, less is better",
            "streams held, 10,000 events a second in all",
            &curves(row, "delay p99 µs", count),
        ),
    )];
    if let Some(last) = row.tables.last() {
        drawings.push(drawing(
            &format!("{}-memory.svg", row.name),
            &memory,
            plot::bars(
                &memory,
                &format!(
                    "KiB each, with {}; less is better",
                    last.heading.split(" (").next().unwrap_or_default()
                ),
                &bars(last, "KiB/stream", None),
            ),
        ));
    }
    drawings
}

/// A curve a target, over what the tables' headings stand for.
fn curves(row: &Row, column: &str, x: impl Fn(&str) -> Option<f64>) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for table in &row.tables {
        let Some(x) = x(&table.heading) else { continue };
        for line in &table.lines {
            let Some(y) = value(table, &line.name, column).filter(|y| *y > 0.0) else {
                continue;
            };
            match curves.iter_mut().find(|curve| curve.name == line.name) {
                Some(curve) => curve.points.push((x, y)),
                None => curves.push(Curve {
                    name: line.name.clone(),
                    points: vec![(x, y)],
                }),
            }
        }
    }
    curves
}
