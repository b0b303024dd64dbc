//! Checks a ledger that is read from a file, which may come from anyone.

use serde::Deserialize;

use crate::segment::Segment;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenLedger {
    pub(super) segments: Vec<Segment>,
    pub(super) changes: Vec<f64>,
    pub(super) travelled: Vec<f64>,
    pub(super) now_travelled: f64,
}

impl WrittenLedger {
    /// # Errors
    /// The fault of the ledger, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { segments, changes, travelled, .. } = self;
        let mut end = 0;
        for (index, segment) in segments.iter().enumerate() {
            if segment.range.start != end || segment.range.is_empty() {
                let (start, stop) = (segment.range.start, segment.range.end);
                return Err(format!(
                    "segment {index} covers slots {start}..{stop}: expected some from {end} on"
                ));
            }
            end = segment.range.end;
        }
        if changes.len() != segments.len() || travelled.len() != segments.len() {
            let (changes, travelled) = (changes.len(), travelled.len());
            let segments = segments.len();
            return Err(format!(
                "{changes} changes and {travelled} ways for {segments} segments: expected as many"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::ledger::Ledger;
    use crate::segment::SegmentKind;

    fn ledger(similarities: &[f64]) -> Ledger {
        let mut ledger = Ledger::new();
        for (index, similarity) in similarities.iter().enumerate() {
            ledger.append_frame(4, index as f64 / 3.0, false, Some(*similarity));
            ledger.append(SegmentKind::Assistant, 2, index as f64 / 3.0, index == 0);
        }
        ledger
    }

    fn complaint(change: impl FnOnce(&mut Value)) -> String {
        let mut written = serde_json::to_value(ledger(&[0.5, 0.25])).unwrap();
        change(&mut written);
        serde_json::from_value::<Ledger>(written).unwrap_err().to_string()
    }

    #[test]
    fn a_ledger_with_holes_is_refused() {
        let moved = complaint(|ledger| ledger["segments"][1]["range"]["start"] = json!(5));
        assert_eq!(moved, "segment 1 covers slots 5..6: expected some from 4 on");
        let empty = complaint(|ledger| ledger["segments"][0]["range"]["end"] = json!(0));
        assert!(empty.starts_with("segment 0 covers slots 0..0"), "{empty}");
        let short = complaint(|ledger| ledger["changes"] = json!([1.0]));
        assert_eq!(short, "1 changes and 4 ways for 4 segments: expected as many");
    }

    proptest! {
        #[test]
        fn a_ledger_is_read_back_as_it_was_to_the_last_bit(
            similarities in prop::collection::vec(-1.0f64..1.0, 0..40),
            kept in 0usize..40,
        ) {
            let mut ledger = ledger(&similarities);
            ledger.keep(std::slice::from_ref(&(kept..kept.max(ledger.tokens()))));
            let written = serde_json::to_string(&ledger).unwrap();
            prop_assert_eq!(serde_json::from_str::<Ledger>(&written).unwrap(), ledger);
        }
    }
}
