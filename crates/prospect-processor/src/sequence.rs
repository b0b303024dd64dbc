//! Token ids that are tokenised in one go, cut into segments.

use prospect_context::{Encoded, SegmentKind};

/// Ids tokenised in one go, cut where the text's parts begin (`parts`: kind and first byte, ascending).
pub(crate) fn from_parts(ids: &[u32], starts: &[usize], parts: &[(SegmentKind, usize)]) -> Encoded {
    let mut encoded = Encoded::default();
    let mut from = 0;
    for (index, &(kind, _)) in parts.iter().enumerate() {
        // A token that reaches over a boundary belongs to the part it begins in; the last part takes all that is left.
        let to = match parts.get(index + 1) {
            Some(&(_, next)) => from + starts[from..].partition_point(|&start| start < next),
            None => ids.len(),
        };
        encoded.push(kind, &ids[from..to]);
        from = to;
    }
    encoded
}
