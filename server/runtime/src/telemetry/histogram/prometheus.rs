//! Histograms for Prometheus.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram as Shape, LabelPair, Metric, MetricFamily, MetricType};

use super::{Histogram, Sample};
use crate::telemetry::family::prometheus_word;

/// A histogram as a registry knows it.
pub(in crate::telemetry) struct Registered {
    histogram: Histogram,
    name: String,
    description: Desc,
}

impl Registered {
    /// # Errors
    /// If the definition is not one that Prometheus can have: a defect.
    pub(in crate::telemetry) fn new(histogram: Histogram) -> prometheus::Result<Self> {
        let family = histogram.family();
        let name = family.prometheus_name();
        let labels = family.prometheus_labels();
        let description = Desc::new(name.clone(), family.help.to_owned(), labels, HashMap::new())?;
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
        family.set_help(self.histogram.family().help.to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(samples.iter().map(|sample| metric(sample, &bounds)).collect());
        vec![family]
    }
}

fn metric(sample: &Sample<'_>, bounds: &[f64]) -> Metric {
    let mut shape = Shape::default();
    // Each bucket holds what the smaller ones hold, too.
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
    label.set_name(prometheus_word(pair.key.as_str()));
    label.set_value(pair.value.to_string());
    label
}
