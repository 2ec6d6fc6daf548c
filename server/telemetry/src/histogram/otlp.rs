//! Histograms in OTLP.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram as Shape, HistogramDataPoint, Metric,
};

use super::{Histogram, Sample};

/// The metric with everything recorded from `from` to `to`; `None` if nothing was recorded.
pub(crate) fn metric(histogram: &Histogram, from: SystemTime, to: SystemTime) -> Option<Metric> {
    let bounds = histogram.bounds();
    let points = histogram.samples().into_iter().map(|sample| point(sample, &bounds, from, to));
    let data_points: Vec<HistogramDataPoint> = points.collect();
    if data_points.is_empty() {
        return None;
    }
    let def = histogram.def();
    Some(Metric {
        name: def.name.to_owned(),
        description: def.help.to_owned(),
        unit: def.unit.to_owned(),
        data: Some(Data::Histogram(Shape {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        })),
        ..Metric::default()
    })
}

fn point(sample: Sample<'_>, bounds: &[f64], from: SystemTime, to: SystemTime) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: sample.labels.iter().map(Into::into).collect(),
        start_time_unix_nano: nanoseconds(from),
        time_unix_nano: nanoseconds(to),
        count: sample.counts.iter().sum(),
        sum: Some(sample.sum),
        bucket_counts: sample.counts,
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

/// A time in OTLP: nanoseconds since the Unix epoch.
pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, super::nanoseconds)
}
