//! Cuts the token ids of one text into segments.

use prospect_context::{Encoded, SegmentKind};

/// Cuts the ids of one text where its parts begin. `starts` has the first byte of each token, `parts`
/// the kind and first byte of each part, in ascending order.
pub(crate) fn from_parts(ids: &[u32], starts: &[usize], parts: &[(SegmentKind, usize)]) -> Encoded {
    let mut encoded = Encoded::default();
    let mut from = 0;
    for (index, &(kind, _)) in parts.iter().enumerate() {
        // A token that crosses a boundary belongs to the part in which it begins. The last part takes
        // all remaining tokens.
        let to = match parts.get(index + 1) {
            Some(&(_, next)) => from + starts[from..].partition_point(|&start| start < next),
            None => ids.len(),
        };
        encoded.push(kind, &ids[from..to]);
        from = to;
    }
    encoded
}
