//! Which drawings a row gets.

use super::plot::{self, Across, Bar, Curve};
use crate::results::{Row, Table};

/// One drawing.
pub(crate) struct Drawing {
    pub(crate) file: String,
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// The drawings of a row; none where its tables say it better.
pub(crate) fn of(row: &Row) -> Vec<Drawing> {
    if row.tables.is_empty() {
        return Vec::new();
    }
    match row.name.as_str() {
        "passthrough" => short_requests(row),
        "bodies" => vec![over_size(row, "Processor time for long requests, carried")],
        "edited" => vec![over_size(
            row,
            "Processor time for requests read and edited",
        )],
        "hooks" => hooks(row),
        "peers" => peers(row),
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
            let value = table.value(&line.name, column)?;
            let mark = mark.and_then(|mark| table.value(&line.name, mark));
            Some(Bar {
                name: line.name.clone(),
                value,
                mark,
            })
        })
        .collect()
}

fn over_size(row: &Row, title: &str) -> Drawing {
    const SIZES: &[(&str, f64)] = &[
        ("1 kB", 1.0),
        ("100 kB", 100.0),
        ("1 MB", 1_000.0),
        ("10 MB", 10_000.0),
    ];
    let curves = curves(row, "CPU µs/request", |heading| {
        let name = heading.split(',').next().unwrap_or_default();
        SIZES
            .iter()
            .find(|(size, _)| *size == name)
            .map(|(_, size)| *size)
    });
    let said = |x: f64| {
        let size = SIZES.iter().find(|(_, size)| size.total_cmp(&x).is_eq());
        size.map_or_else(String::new, |(name, _)| (*name).to_owned())
    };
    let file = format!("{}-cpu.svg", row.name);
    drawing(
        &file,
        title,
        plot::curves(
            title,
            "µs of CPU for each request; both axes logarithmic, less is better",
            Across {
                name: "size of the body",
                said: &said,
            },
            &curves,
        ),
    )
}

fn hooks(row: &Row) -> Vec<Drawing> {
    let Some(table) = row.tables.first() else {
        return Vec::new();
    };
    let title = "What a hook adds to a request";
    let mut bars = bars(table, "added p50 µs", None);
    // One that is handed a megabyte would make all others look like nothing.
    bars.retain(|bar| !bar.name.ends_with("1 MB"));
    let svg = plot::bars(
        title,
        "µs, p50; grey is what the system takes for the same without the proxy",
        &bars,
    );
    vec![drawing("hooks-added.svg", title, svg)]
}

fn peers(row: &Row) -> Vec<Drawing> {
    let wanted = "1 kB, 10 connections";
    let Some(table) = row.tables.iter().find(|table| table.heading == wanted) else {
        return Vec::new();
    };
    let title = "Processor time beside other proxies for developers";
    let svg = plot::bars(
        title,
        "µs of CPU for each request of 1 kB, 10 connections; less is better",
        &bars(table, "CPU µs/request", None),
    );
    vec![drawing("peers-cpu.svg", title, svg)]
}

fn streams(row: &Row) -> Vec<Drawing> {
    let count = |heading: &str| {
        heading
            .strip_suffix(" streams")
            .or_else(|| heading.split(" streams (").next())?
            .parse()
            .ok()
            .filter(|n: &f64| *n >= 100.0)
    };
    let kind = if row.name == "sse" {
        "an event"
    } else {
        "a message"
    };
    let delay = format!("How long {kind} is on its way, with many streams");
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
            Across {
                name: "streams held, 10,000 events a second in all",
                said: &|x| plot::short(x).replace(".0", ""),
            },
            &curves(row, "delay p99 µs", count),
        ),
    )];
    let held = row
        .tables
        .iter()
        .rfind(|table| count(&table.heading).is_some());
    if let Some(last) = held {
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
            let Some(y) = table.value(&line.name, column).filter(|y| *y > 0.0) else {
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
