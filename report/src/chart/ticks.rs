//! Which values are written at an axis: round ones, and not too many.

use super::unit::Unit;

/// Steps of time that people count in, in seconds.
const ELAPSED_STEPS: [f64; 14] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0];

/// Digits of ticks between two powers of ten, from few to many.
const DIGITS: [&[f64]; 3] = [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0]];

/// The round step that gives at most `most` ticks over a span.
pub(super) fn step(span: f64, most: usize, unit: Unit) -> f64 {
    let least = (span / as_float(most.max(1))).max(f64::MIN_POSITIVE);
    if unit == Unit::Elapsed
        && let Some(step) = ELAPSED_STEPS.into_iter().find(|step| *step >= least && least > 0.5)
    {
        return step;
    }
    let power = 10_f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 2.5, 5.0].into_iter().find(|digit| digit * power >= least * (1.0 - 1e-9));
    let step = digit.unwrap_or(10.0) * power;
    if unit == Unit::Count { step.max(1.0) } else { step }
}

/// Round values from `least` to `greatest`.
pub(super) fn linear(least: f64, greatest: f64, most: usize, unit: Unit) -> Vec<f64> {
    let step = step(greatest - least, most, unit);
    let first = (least / step - 1e-9).ceil();
    (0..=most + 1)
        .map(|number| (first + as_float(number)) * step)
        .take_while(|tick| *tick <= greatest + step * 1e-6)
        .collect()
}

/// Round values from `least` to `greatest`, evenly apart in their logarithms.
pub(super) fn logarithmic(least: f64, greatest: f64, most: usize) -> Vec<f64> {
    let within = |digits: &[f64]| -> Vec<f64> {
        decades(least, greatest)
            .flat_map(|power| digits.iter().map(move |digit| digit * power))
            .filter(|tick| (least..=greatest * (1.0 + 1e-9)).contains(tick))
            .collect()
    };
    let fitting = DIGITS.into_iter().rev().map(within).find(|ticks| ticks.len() <= most);
    fitting.unwrap_or_else(|| {
        let all = within(DIGITS[0]);
        let every = all.len().div_ceil(most.max(1));
        all.into_iter().step_by(every).collect()
    })
}

/// 50%, 90%, 99%, 99.9% … up to `greatest`.
pub(super) fn quantiles(greatest: f64) -> Vec<f64> {
    [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999]
        .into_iter()
        .filter(|quantile| *quantile <= greatest + 1e-12)
        .collect()
}

/// The powers of ten from the last below `least` to the first above `greatest`; at most forty.
fn decades(least: f64, greatest: f64) -> impl Iterator<Item = f64> {
    let first = least.max(1e-12).log10().floor();
    (0_u8..40)
        .map(move |number| 10_f64.powf(first + f64::from(number)))
        .take_while(move |power| *power <= greatest)
}

#[expect(clippy::cast_precision_loss, reason = "a number of ticks is small")]
fn as_float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ticks: &[f64], expected: &[f64]) {
        assert_eq!(ticks.len(), expected.len(), "{ticks:?}");
        for (tick, expected) in ticks.iter().zip(expected) {
            assert!((tick - expected).abs() <= expected.abs() * 1e-9, "{ticks:?}");
        }
    }

    #[test]
    fn linear_ticks_are_round_and_few() {
        close(&linear(0.0, 1_000.0, 5, Unit::PerSecond), &[0.0, 200.0, 400.0, 600.0, 800.0, 1_000.0]);
        close(&linear(0.0, 0.0073, 5, Unit::Latency), &[0.0, 0.002, 0.004, 0.006]);
        close(&linear(0.0, 3.0, 8, Unit::Count), &[0.0, 1.0, 2.0, 3.0]);
        close(&linear(0.0, 100.0, 8, Unit::Elapsed), &[0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0]);
    }

    #[test]
    fn logarithmic_ticks_get_fewer_the_more_they_span() {
        close(&logarithmic(0.9e-3, 11e-3, 6), &[1e-3, 2e-3, 5e-3, 10e-3]);
        close(&logarithmic(0.9e-6, 2.0, 7), &[1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]);
        assert!(logarithmic(1e-9, 1e9, 5).len() <= 5);
    }

    #[test]
    fn quantiles_end_where_the_data_ends() {
        close(&quantiles(0.9995), &[0.5, 0.9, 0.99, 0.999]);
    }
}
