//! The metrics of replies, computed from counts that are summed over videos.

use serde::Serialize;

use super::exact::ExactCounts;
use super::judgement::Judgement;
use super::matching::Verdict;
use super::text::{BleuCounts, meteor};

/// The counts of one video, or the sums over several videos.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// The number of replies that match their reference.
    pub matched: usize,
    /// The number of replies that have a reference and say something else.
    pub mismatched: usize,
    /// The number of replies without a reference.
    pub redundant: usize,
    /// The number of references without a reply.
    pub missed: usize,
    /// The stream time that was seen, in seconds.
    pub seconds: f64,
    /// The counts of exact matching.
    pub exact: ExactCounts,
    similarity: f64,
    /// Sums over matched pairs: |reply - reference| and reply - reference, in seconds.
    time_difference: f64,
    delay: f64,
    bleu: BleuCounts,
    /// Sums over matched pairs.
    cider: f64,
    meteor: f64,
}

impl Totals {
    /// The counts of one video. `pairs` are its [`Judgement::matched_words`]. `cider` is the sum of their
    /// CIDEr scores, which depend on the other videos.
    pub fn of(judgement: &Judgement, pairs: &[(Vec<String>, Vec<String>)], cider: f64) -> Self {
        let mut totals =
            Self { seconds: judgement.seconds, exact: judgement.exact, cider, ..Self::default() };
        for (reply, reference) in judgement.matched() {
            let delay = reply.time - reference.time;
            totals.matched += 1;
            totals.similarity += reply.similarity;
            totals.time_difference += delay.abs();
            totals.delay += delay;
        }
        for (said, right) in pairs {
            totals.meteor += meteor(said, right);
            totals.bleu = totals.bleu + BleuCounts::of(said, right);
        }
        let count = |verdict| judgement.replies.iter().filter(|reply| reply.verdict == verdict).count();
        totals.mismatched = count(Verdict::Mismatched);
        totals.redundant = count(Verdict::Redundant);
        totals.missed = judgement.missed().into_iter().filter(|missed| *missed).count();
        totals
    }

    /// The number of all replies.
    pub fn replies(&self) -> usize {
        self.matched + self.mismatched + self.redundant
    }

    /// The number of all references.
    pub fn references(&self) -> usize {
        self.matched + self.mismatched + self.missed
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.matched as f64
    }

    fn bleu(&self, order: usize) -> f64 {
        if self.matched == 0 { f64::NAN } else { self.bleu.scores()[order] }
    }
}

impl<'a> std::iter::Sum<&'a Self> for Totals {
    fn sum<I: Iterator<Item = &'a Self>>(totals: I) -> Self {
        totals.fold(Self::default(), |mut sum, one| {
            sum.matched += one.matched;
            sum.mismatched += one.mismatched;
            sum.redundant += one.redundant;
            sum.missed += one.missed;
            sum.seconds += one.seconds;
            sum.exact = [sum.exact, one.exact].into_iter().sum();
            sum.similarity += one.similarity;
            sum.time_difference += one.time_difference;
            sum.delay += one.delay;
            sum.bleu = sum.bleu + one.bleu;
            sum.cider += one.cider;
            sum.meteor += one.meteor;
            sum
        })
    }
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Larger values are better.
    Higher,
    /// Smaller values are better.
    Lower,
    /// Values closer to 0 are better.
    Zero,
}

/// A metric.
pub struct Metric {
    /// The name in JSON.
    pub key: &'static str,
    /// The name in tables.
    pub label: &'static str,
    /// The meaning, in one line.
    pub meaning: &'static str,
    /// Which values are better.
    pub better: Better,
    /// Whether the values of two strategies are on the same scale.
    pub comparable: bool,
    /// Computes the value; NaN if there is nothing to measure.
    pub of: fn(&Totals) -> f64,
}

/// The share `part / whole`, or `empty` if `whole` is 0.
fn share(part: usize, whole: usize, empty: f64) -> f64 {
    if whole == 0 { empty } else { part as f64 / whole as f64 }
}

/// Every metric, in the order of the tables.
pub const METRICS: &[Metric] = &[
    Metric {
        key: "f1",
        label: "F1",
        meaning: "harmonic mean of precision and recall",
        better: Better::Higher,
        comparable: true,
        of: |t| share(2 * t.matched, t.replies() + t.references(), 1.0),
    },
    Metric {
        key: "exact_f1",
        label: "exact F1",
        meaning: "F1 where only the same text within two frames counts",
        better: Better::Higher,
        comparable: true,
        of: |t| t.exact.f1(),
    },
    Metric {
        key: "precision",
        label: "precision",
        meaning: "share of the replies that match a reference",
        better: Better::Higher,
        comparable: true,
        of: |t| share(t.matched, t.replies(), 1.0),
    },
    Metric {
        key: "recall",
        label: "recall",
        meaning: "share of the references that a reply matches",
        better: Better::Higher,
        comparable: true,
        of: |t| share(t.matched, t.references(), 1.0),
    },
    Metric {
        key: "jaccard",
        label: "Jaccard",
        meaning: "matched over matched, mismatched, redundant and missed together",
        better: Better::Higher,
        comparable: true,
        of: |t| share(t.matched, t.replies() + t.missed, 1.0),
    },
    Metric {
        key: "missing_rate",
        label: "missed",
        meaning: "share of the references without a reply",
        better: Better::Lower,
        comparable: true,
        of: |t| share(t.missed, t.references(), 0.0),
    },
    Metric {
        key: "redundant_rate",
        label: "redundant",
        meaning: "share of the replies without a reference",
        better: Better::Lower,
        comparable: true,
        of: |t| share(t.redundant, t.replies(), 0.0),
    },
    Metric {
        key: "false_speech_per_minute",
        label: "false/min",
        meaning: "redundant replies per minute of video",
        better: Better::Lower,
        comparable: true,
        of: |t| t.redundant as f64 / (t.seconds / 60.0),
    },
    Metric {
        key: "similarity",
        label: "similarity",
        meaning: "mean |cosine| of the matched pairs",
        better: Better::Higher,
        comparable: true,
        of: |t| t.mean(t.similarity),
    },
    Metric {
        key: "time_difference",
        label: "off by s",
        meaning: "mean |reply - reference| of the matched pairs, in seconds",
        better: Better::Lower,
        comparable: true,
        of: |t| t.mean(t.time_difference),
    },
    Metric {
        key: "delay",
        label: "delay s",
        meaning: "mean (reply - reference) of the matched pairs, in seconds",
        better: Better::Zero,
        comparable: true,
        of: |t| t.mean(t.delay),
    },
    Metric {
        key: "bleu_1",
        label: "BLEU-1",
        meaning: "corpus BLEU of the matched pairs",
        better: Better::Higher,
        comparable: true,
        of: |t| t.bleu(0),
    },
    Metric {
        key: "bleu_2",
        label: "BLEU-2",
        meaning: "corpus BLEU of the matched pairs",
        better: Better::Higher,
        comparable: true,
        of: |t| t.bleu(1),
    },
    Metric {
        key: "bleu_3",
        label: "BLEU-3",
        meaning: "corpus BLEU of the matched pairs",
        better: Better::Higher,
        comparable: true,
        of: |t| t.bleu(2),
    },
    Metric {
        key: "bleu_4",
        label: "BLEU-4",
        meaning: "corpus BLEU of the matched pairs",
        better: Better::Higher,
        comparable: true,
        of: |t| t.bleu(3),
    },
    Metric {
        key: "cider",
        label: "CIDEr",
        meaning: "mean CIDEr of the matched pairs; its document frequencies are theirs too, so that every strategy has a scale of its own",
        better: Better::Higher,
        comparable: false,
        of: |t| t.mean(t.cider),
    },
    Metric {
        key: "meteor_exact_stem",
        label: "METEOR (exact, stem)",
        meaning: "mean METEOR of the matched pairs with its exact and stem modules",
        better: Better::Higher,
        comparable: true,
        of: |t| t.mean(t.meteor),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JudgedReply, Reference};

    fn totals(judgement: &Judgement, cider: f64) -> Totals {
        let pairs: Vec<_> = judgement.matched_words().collect();
        Totals::of(judgement, &pairs, cider)
    }

    fn figure(totals: &Totals, key: &str) -> f64 {
        (METRICS.iter().find(|metric| metric.key == key).unwrap().of)(totals)
    }

    fn reply(time: f64, text: &str, verdict: Verdict, reference: Option<usize>) -> JudgedReply {
        JudgedReply { time, text: text.into(), verdict, reference, similarity: 0.8 }
    }

    fn judgement() -> Judgement {
        let reference = |time, text: &str| Reference { time, text: text.into() };
        Judgement {
            replies: vec![
                reply(1.5, "Take the blue cone.", Verdict::Matched, Some(0)),
                reply(6.0, "Wait.", Verdict::Redundant, None),
                reply(8.0, "Stop it now.", Verdict::Mismatched, Some(2)),
            ],
            references: vec![
                reference(1.0, "Take the blue cone."),
                reference(4.0, "Good."),
                reference(8.0, "Go on."),
            ],
            exact: ExactCounts { matched: 1, replies: 3, references: 3, ..ExactCounts::default() },
            seconds: 30.0,
        }
    }

    #[test]
    fn figures_follow_from_the_verdicts() {
        let totals = totals(&judgement(), 10.0);
        for (key, value) in [
            ("precision", 1.0 / 3.0),
            ("recall", 1.0 / 3.0),
            ("f1", 1.0 / 3.0),
            ("jaccard", 0.25),
            ("missing_rate", 1.0 / 3.0),
            ("redundant_rate", 1.0 / 3.0),
            ("false_speech_per_minute", 2.0),
            ("similarity", 0.8),
            ("time_difference", 0.5),
            ("delay", 0.5),
            ("cider", 10.0),
        ] {
            assert!((figure(&totals, key) - value).abs() < 1e-9, "{key}: {}", figure(&totals, key));
        }
        assert!((figure(&totals, "bleu_4") - 1.0).abs() < 1e-6);
    }

    #[test]
    fn totals_add_up_and_nothing_to_say_is_right() {
        let one = totals(&judgement(), 10.0);
        let both: Totals = [&one, &one].into_iter().sum();
        assert_eq!((both.matched, both.missed, both.seconds), (2, 2, 60.0));
        for metric in METRICS {
            let (single, double) = ((metric.of)(&one), (metric.of)(&both));
            assert!((single - double).abs() < 1e-9, "{}: {single} and {double}", metric.key);
        }
        let silent = totals(&Judgement::default(), 0.0);
        assert_eq!((figure(&silent, "f1"), figure(&silent, "missing_rate")), (1.0, 0.0));
        assert!(figure(&silent, "delay").is_nan());
    }
}
