//! Histograms in Prometheus' format.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram as Shape, LabelPair, Metric, MetricFamily, MetricType};

use super::{Histogram, Sample};
use crate::metric_def::prometheus_name;

/// A histogram as a collector of the `prometheus` crate.
pub(crate) struct Registered {
    histogram: Histogram,
    name: String,
    description: Desc,
}

impl Registered {
    /// # Errors
    /// If the name or a label is invalid in Prometheus: a defect.
    pub(crate) fn new(histogram: Histogram) -> prometheus::Result<Self> {
        let def = histogram.def();
        let name = def.prometheus_name();
        let labels = def.prometheus_labels();
        let description = Desc::new(name.clone(), def.help.to_owned(), labels, HashMap::new())?;
        Ok(Self { histogram, name, description })
    }
}

impl Collector for Registered {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let bounds = self.histogram.bounds();
        let samples = self.histogram.samples();
        let mut family = MetricFamily::default();
        family.set_name(self.name.clone());
        family.set_help(self.histogram.def().help.to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(samples.iter().map(|sample| metric(sample, &bounds)).collect());
        vec![family]
    }
}

fn metric(sample: &Sample<'_>, bounds: &[f64]) -> Metric {
    let mut shape = Shape::default();
    // Prometheus' buckets are cumulative.
    let mut total = 0;
    let buckets = bounds.iter().zip(&sample.counts).map(|(bound, count)| {
        total += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(total);
        bucket
    });
    shape.set_bucket(buckets.collect());
    shape.set_sample_count(sample.counts.iter().sum());
    shape.set_sample_sum(sample.sum);
    let mut metric = Metric::from_label(sample.labels.iter().map(label).collect());
    metric.set_histogram(shape);
    metric
}

fn label(pair: &KeyValue) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(prometheus_name(pair.key.as_str()));
    label.set_value(pair.value.to_string());
    label
}
