//! Formats figures for tables. A figure that cannot be measured is left out, so no table contains
//! `NaN`.

use prospect_evaluation::{Better, Difference, Figure, Interval};

/// A figure with three decimals; `None` if it cannot be measured.
pub(crate) fn shown(value: f64) -> Option<String> {
    value.is_finite().then(|| format!("{:.3}", rounded(value)))
}

/// The ends of an interval; `None` if there are too few videos for one.
pub(crate) fn shown_interval(interval: Interval) -> Option<(String, String)> {
    Some((shown(interval.low)?, shown(interval.high)?))
}

/// A difference with its sign and its interval, if there is one; `None` if one of the figures cannot be
/// measured.
pub(crate) fn shown_difference(difference: &Difference) -> Option<(String, Option<(String, String)>)> {
    let signed = |value: f64| value.is_finite().then(|| format!("{:+.3}", rounded(value)));
    let Interval { low, high } = difference.interval;
    Some((signed(difference.value)?, signed(low).zip(signed(high))))
}

/// Says whether a figure is better or worse than the baseline's; empty if the interval of the
/// difference contains 0.
pub(super) fn reading(figure: &Figure, better: Better) -> &'static str {
    match (figure.difference.filter(Difference::is_clear), better) {
        (None, _) | (_, Better::Zero) => "",
        (Some(difference), better) if (difference.value > 0.0) == (better == Better::Higher) => "better",
        _ => "worse",
    }
}

/// For each figure, whether it is the best in rounded form. `None` takes no part. If all are equal,
/// none is best.
pub(super) fn best(values: &[Option<f64>], better: Better) -> Vec<bool> {
    let rank = |value: f64| match better {
        Better::Higher => -rounded(value),
        Better::Lower => rounded(value),
        Better::Zero => rounded(value).abs(),
    };
    let ranks: Vec<Option<f64>> =
        values.iter().map(|value| value.filter(|value| value.is_finite()).map(rank)).collect();
    let least = ranks.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let differ = ranks.iter().flatten().any(|rank| *rank > least);
    ranks.into_iter().map(|rank| differ && rank == Some(least)).collect()
}

/// Rounds to the decimals that are shown. Negative zero becomes zero.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_not_shown() {
        assert_eq!(
            (shown(0.5), shown(f64::NAN), shown(f64::INFINITY)),
            (Some("0.500".to_owned()), None, None)
        );
        assert_eq!(shown(-0.0001).as_deref(), Some("0.000"));
        let none = Interval { low: f64::NAN, high: f64::NAN };
        assert_eq!(shown_interval(none), None);
        let difference = Difference { value: 0.25, interval: none };
        assert_eq!(shown_difference(&difference), Some(("+0.250".to_owned(), None)));
        assert_eq!(shown_difference(&Difference { value: f64::NAN, interval: none }), None);
    }

    #[test]
    fn the_best_are_those_that_no_other_beats() {
        let values = [Some(0.9), Some(0.95), None, Some(0.9501), Some(f64::NAN)];
        assert_eq!(best(&values, Better::Higher), [false, true, false, true, false]);
        assert_eq!(best(&values, Better::Lower), [true, false, false, false, false]);
        assert_eq!(best(&[Some(-1.0), Some(0.5)], Better::Zero), [false, true]);
        assert_eq!(best(&[Some(1.0), Some(1.0)], Better::Higher), [false, false]);
        assert_eq!(best(&[Some(1.0)], Better::Higher), [false]);
    }
}
