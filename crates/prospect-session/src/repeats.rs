//! Detects replies that repeat the same phrase. A model that was not trained to be silent may repeat a phrase
//! for ever.

/// The longest phrase that is searched for, in tokens.
const LONGEST_PHRASE: usize = 32;
/// The fewest tokens of all repetitions together: "no, no, no" is a valid reply.
const FEWEST_TOKENS: usize = 12;

/// The number of tokens that stay if a reply may say a phrase at most `most` times in a row. It is the length
/// of the shortest beginning that says a phrase this often. `None` if no phrase is repeated so often.
///
/// `from` tokens were examined before. The result does not depend on the pieces in which the tokens come.
pub(crate) fn cut_at(tokens: &[u32], from: usize, most: usize) -> Option<usize> {
    (from.max(1)..=tokens.len()).find(|end| ends_in_repetition(&tokens[..*end], most))
}

fn ends_in_repetition(tokens: &[u32], most: usize) -> bool {
    (1..=LONGEST_PHRASE).any(|phrase| {
        let length = phrase.saturating_mul(most);
        // With a period of `phrase`, every token is that of one phrase before.
        length >= FEWEST_TOKENS
            && tokens.len() >= length
            && tokens[tokens.len() - length..].windows(phrase + 1).all(|pair| pair[0] == pair[phrase])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_phrase_is_cut_at_its_last_allowed_repetition() {
        let phrase = [1, 2, 3, 4, 5];
        let said: Vec<u32> = [9, 8].into_iter().chain(phrase.repeat(6)).collect();
        assert_eq!(cut_at(&said, 0, 3), Some(2 + 15));
        assert_eq!(cut_at(&said, 0, 7), None);
        // A single word has to come often enough to be no emphasis.
        assert_eq!(cut_at(&[7; 11], 0, 3), None);
        assert_eq!(cut_at(&[7; 30], 0, 12), Some(12));
        assert_eq!(cut_at(&[], 0, 2), None);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            tokens in prop::collection::vec(0u32..3, 0..80), piece in 1usize..9, most in 2usize..5,
        ) {
            let whole = cut_at(&tokens, 0, most);
            let mut known = 0;
            let mut found = None;
            while found.is_none() && known < tokens.len() {
                let next = (known + piece).min(tokens.len());
                found = cut_at(&tokens[..next], known + 1, most);
                known = next;
            }
            prop_assert_eq!(found, whole);
        }
    }
}
