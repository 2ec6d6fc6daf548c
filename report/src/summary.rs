//! A run as text for people: ghz's layout, and below it how far the numbers can be trusted.

use std::{io, time::Duration};

use super::{
    Report,
    digest::{Bucket, Digest},
    format,
    measured::QUANTILES,
};
use crate::measure::{Quantile as _, Results};

/// Maximum length of a bar of the histogram, in characters.
const MAX_BAR_LENGTH: u64 = 40;

/// Width of a column of latencies, in characters.
const COLUMN: usize = 10;

/// Writes the text.
pub(super) fn write(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    let digest = Digest::new(report);
    write_headline(&digest, to)?;
    write_histogram(&digest.histogram, to)?;
    writeln!(to, "\nLatency distribution:")?;
    for at in &digest.latency_distribution {
        writeln!(to, "  {} % in {} ", at.percentage, unit(at.latency))?;
    }
    let codes: Vec<_> = digest.codes.iter().map(|(name, count)| (*name, *count)).collect();
    write_codes(&codes, to)?;
    write_errors(&digest, to)?;
    write_truth(report, to)
}

fn write_headline(digest: &Digest<'_>, to: &mut dyn io::Write) -> io::Result<()> {
    writeln!(to, "\nSummary:")?;
    if let Some(name) = digest.name {
        writeln!(to, "  Name:\t\t{}", one_line(name))?;
    }
    writeln!(to, "  Count:\t{}", digest.count)?;
    writeln!(to, "  Total:\t{}", unit(digest.total))?;
    writeln!(to, "  Slowest:\t{}", unit(digest.slowest))?;
    writeln!(to, "  Fastest:\t{}", unit(digest.fastest))?;
    writeln!(to, "  Average:\t{}", unit(digest.average))?;
    writeln!(to, "  Requests/sec:\t{:.2}", digest.rps)
}

fn write_histogram(buckets: &[Bucket], to: &mut dyn io::Write) -> io::Result<()> {
    writeln!(to, "\nResponse time histogram:")?;
    let lines: Vec<(String, String, u64)> = buckets
        .iter()
        .map(|bucket| (format!("{:.3}", bucket.mark * 1_000.0), format!("[{}]", bucket.count), bucket.count))
        .collect();
    let mark_width = lines.iter().map(|(mark, ..)| mark.len()).max().unwrap_or(0);
    let count_width = lines.iter().map(|(_, count, _)| count.len()).max().unwrap_or(0);
    let most = lines.iter().map(|(.., count)| *count).max().unwrap_or(0).max(1);
    for (mark, count, calls) in &lines {
        let bar = usize::try_from((calls * MAX_BAR_LENGTH + most / 2) / most).unwrap_or(0);
        writeln!(to, "  {mark:<mark_width$} {count:<count_width$} |{}", "∎".repeat(bar))?;
    }
    Ok(())
}

fn write_codes(codes: &[(&str, u64)], to: &mut dyn io::Write) -> io::Result<()> {
    if codes.is_empty() {
        return Ok(());
    }
    writeln!(to, "\nStatus code distribution:")?;
    let width = codes.iter().map(|(name, _)| name.len() + 2).max().unwrap_or(0);
    for (name, count) in codes {
        writeln!(to, "  {:<width$}   {count} responses", format!("[{name}]"))?;
    }
    Ok(())
}

fn write_errors(digest: &Digest<'_>, to: &mut dyn io::Write) -> io::Result<()> {
    if digest.errors.is_empty() {
        return Ok(());
    }
    writeln!(to, "\nError distribution:")?;
    let width = digest.errors.values().map(|count| count.to_string().len() + 2).max().unwrap_or(0);
    for (text, count) in &digest.errors {
        writeln!(to, "  {:<width$}   {}", format!("[{count}]"), one_line(text))?;
    }
    Ok(())
}

fn write_truth(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    let results = &report.results;
    if results.open_loop {
        writeln!(to, "\nOpen loop: calls were due at planned times, however slow the answers were.")?;
    } else {
        writeln!(
            to,
            "\nClosed loop: each worker waits for its answer before it calls again, so that a slow server is"
        )?;
        writeln!(
            to,
            "called less often, and the calls that were not made are missing. With --rps it is an open loop."
        )?;
    }
    write_latencies(report, to)?;
    write_omissions(results, to)?;
    writeln!(
        to,
        "  Messages:     {} sent, {} received",
        format::bytes(results.bytes_sent),
        format::bytes(results.bytes_received)
    )?;
    let ended = u32::try_from(results.count() + results.skipped + results.ignored).unwrap_or(u32::MAX);
    if let Some(per_call) = results.processor_time.checked_div(ended) {
        let (all, per_call) = (format::latency(results.processor_time), format::latency(per_call));
        writeln!(to, "  Load tool:    {per_call} of processor time per call, {all} in all")?;
    }
    Ok(())
}

fn write_latencies(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    let latencies = report.results.latencies(report.count_errors);
    if latencies.count() == 0 {
        return writeln!(to, "  Latency:      no call ended with OK");
    }
    let names = QUANTILES.map(format::percentile);
    let names = names.iter().map(String::as_str).chain(["max", "mean"]);
    writeln!(to, "{:21}{}", "", columns(names))?;
    let rows = if report.results.open_loop {
        vec![("From planned time", &latencies.from_planned), ("Service time", &latencies.service)]
    } else {
        vec![("Latency", &latencies.service)]
    };
    for (name, histogram) in rows {
        let mut values: Vec<String> =
            QUANTILES.iter().map(|quantile| format::latency(histogram.at(*quantile))).collect();
        values.push(format::latency(Duration::from_nanos(histogram.max())));
        values.push(format::latency(super::digest::mean(histogram)));
        writeln!(to, "  {:19}{}", format!("{name}:"), columns(values.iter().map(String::as_str)))?;
    }
    Ok(())
}

fn columns<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(|text| format!("{text:>COLUMN$}")).collect()
}

/// What was not done, or not counted.
fn write_omissions(results: &Results, to: &mut dyn io::Write) -> io::Result<()> {
    let due = results.count() + results.unsent;
    if results.open_loop {
        let (late, share) = (format::count(results.late), format::share(format::ratio(results.late, due)));
        let (limit, latest) = (format::latency(Results::LATE), format::latency(results.latest));
        writeln!(
            to,
            "  Late:         {late} ({share}) sent more than {limit} after their time; the latest, {latest}"
        )?;
        let (unsent, share) =
            (format::count(results.unsent), format::share(format::ratio(results.unsent, due)));
        writeln!(
            to,
            "  Unsent:       {unsent} ({share}) were due and never sent: too many in flight, or out of time"
        )?;
    }
    if results.skipped > 0 {
        writeln!(to, "  Skipped:      {} of the warm-up, or first ones", format::count(results.skipped))?;
    }
    if results.ignored > 0 {
        writeln!(to, "  Ignored:      {} cut off by the end of the run", format::count(results.ignored))?;
    }
    Ok(())
}

/// A duration as ghz writes it.
fn unit(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let milliseconds = duration.as_secs_f64() * 1_000.0;
    match nanoseconds {
        0..10_000 => format!("{nanoseconds} ns"),
        _ if milliseconds < 1_000.0 => format!("{milliseconds:.2} ms"),
        _ => format!("{:.2} s", milliseconds / 1_000.0),
    }
}

/// A text that cannot steer a terminal, nor break the layout.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use crate::{Format, fixture, write};

    #[test]
    fn it_begins_as_ghz_does_and_ends_with_the_omissions() {
        let mut bytes = Vec::new();
        write(&fixture::report(), Format::Summary, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for part in [
            "Summary:\n  Name:\t\tgreet",
            "\n  Count:\t1000\n  Total:\t10.00 s\n  Slowest:\t9.99 ms\n  Fastest:\t1.00 ms\n",
            "\n  Requests/sec:\t100.00\n\nResponse time histogram:\n  1.000 [",
            "\nLatency distribution:\n  10 % in ",
            "\nStatus code distribution:\n  [OK]            990 responses\n  [Unavailable]   10 responses\n",
            "\nError distribution:\n  [10]   rpc error: code = Unavailable desc = \"no\", </script><b>x\\y z\n",
            "\nOpen loop: ",
            "p99.99       max",
            "\n  Late:         2 (0.199%) sent more than 5 ms after their time; the latest, 5.1 ms\n",
            "\n  Unsent:       5 (0.498%)",
            "\n  Messages:     10 kB sent, 19.8 kB received\n",
            "\n  Load tool:    20 µs of processor time per call, 20 ms in all\n",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }
}
