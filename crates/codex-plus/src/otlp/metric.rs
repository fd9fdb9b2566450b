//! From the families of `/codex-plus/metrics` to OTLP's metrics.

use std::time::SystemTime;

use codex_plus_proxy::metrics::{Families, Family, Kind, Labels, Sample, Spread, Value};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};

use super::resource::{Origin, attribute};
use super::trace::nanos;

/// One request with all of them.
pub(super) fn request(
    families: &Families,
    started: SystemTime,
    origin: &Origin,
) -> ExportMetricsServiceRequest {
    let times = (nanos(started), nanos(SystemTime::now()));
    let metrics = families.0.iter().map(|family| metric(family, times));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(origin.resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(origin.scope.clone()),
                metrics: metrics.collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(family: &Family, times: (u64, u64)) -> Metric {
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match family.kind {
        Kind::Counter => Data::Sum(Sum {
            data_points: numbers(&family.samples, times),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Kind::Gauge => Data::Gauge(Gauge {
            data_points: numbers(&family.samples, times),
        }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: spreads(&family.samples, times),
            aggregation_temporality: cumulative,
        }),
    };
    let (name, unit) = name_and_unit(family.name);
    Metric {
        name,
        unit: unit.to_owned(),
        description: family.help.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// Prometheus writes the unit into the name, OpenTelemetry beside it; collectors put it back.
fn name_and_unit(name: &str) -> (String, &'static str) {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (name, unit) = match name.strip_suffix("_seconds") {
        Some(name) => (name, "s"),
        None if name.ends_with("_bytes") => (name.trim_end_matches("_bytes"), "By"),
        None => (name, "1"),
    };
    (name.replacen("codex_plus_", "codex_plus.", 1), unit)
}

fn labels(labels: &Labels) -> Vec<KeyValue> {
    let text = |value: &str| any_value::Value::StringValue(value.to_owned());
    labels
        .iter()
        .map(|(name, value)| attribute(*name, text(value)))
        .collect()
}

fn numbers(samples: &[Sample], (started, now): (u64, u64)) -> Vec<NumberDataPoint> {
    let numbers = samples.iter().filter_map(|sample| match sample.value {
        Value::Number(number) => Some((sample, number)),
        Value::Spread(_) => None,
    });
    numbers
        .map(|(sample, number)| NumberDataPoint {
            attributes: labels(&sample.labels),
            start_time_unix_nano: started,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(number)),
            ..NumberDataPoint::default()
        })
        .collect()
}

fn spreads(samples: &[Sample], (started, now): (u64, u64)) -> Vec<HistogramDataPoint> {
    let point = |sample: &Sample, spread: &Spread| HistogramDataPoint {
        attributes: labels(&sample.labels),
        start_time_unix_nano: started,
        time_unix_nano: now,
        count: spread.count(),
        sum: Some(spread.sum),
        bucket_counts: spread.counts.clone(),
        explicit_bounds: spread.bounds.clone(),
        ..HistogramDataPoint::default()
    };
    let spreads = samples.iter().filter_map(|sample| match &sample.value {
        Value::Spread(spread) => Some(point(sample, spread)),
        Value::Number(_) => None,
    });
    spreads.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stand_beside_the_name() {
        let told = |name| {
            let (name, unit) = name_and_unit(name);
            format!("{name} {unit}")
        };
        assert_eq!(told("codex_plus_stage_seconds"), "codex_plus.stage s");
        assert_eq!(told("codex_plus_exchanges_total"), "codex_plus.exchanges 1");
        assert_eq!(
            told("codex_plus_request_bytes_total"),
            "codex_plus.request By"
        );
    }
}
