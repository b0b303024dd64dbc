//! Whether two names that a model gave mean the same step of a task.

/// Words that do not distinguish steps.
const EMPTY_WORDS: [&str; 14] =
    ["a", "an", "and", "are", "in", "is", "of", "on", "person", "step", "the", "they", "to", "with"];
/// The share of the longer name's words that both names must have.
const SHARE: f64 = 0.6;
/// The number of first letters that two forms of one word share ("slicing", "sliced").
const STEM: usize = 4;

/// Whether two names mean the same step: they have most of their words in common, not counting endings,
/// articles, case and order. Numbers have to be the same.
pub(crate) fn is_same_step(one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    let numbers = |words: &[String]| -> Vec<String> {
        words.iter().filter(|word| word.starts_with(|c: char| c.is_numeric())).cloned().collect()
    };
    if numbers(&one) != numbers(&other) {
        return false;
    }
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let mut left = long.clone();
    let mut common = 0;
    for word in &short {
        if let Some(place) = left.iter().position(|other| is_same_word(word, other)) {
            left.swap_remove(place);
            common += 1;
        }
    }
    match long.len() {
        // Names without a word that says anything.
        0 => true,
        longest => common as f64 / longest as f64 >= SHARE,
    }
}

fn words(name: &str) -> Vec<String> {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).filter(|word| !EMPTY_WORDS.contains(&word.as_str())).collect()
}

fn is_same_word(one: &str, other: &str) -> bool {
    let common = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    one == other
        || common >= STEM
        || (common >= 3 && common == one.chars().count().min(other.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_for_the_same_step() {
        for (one, other) in [
            ("Cutting the onions", "cut onions."),
            ("slicing bread", "The person is slicing the bread"),
            ("Step 2: pour water", "pour the water (step 2)"),
            ("washing", "Washing."),
            ("", "..."),
        ] {
            assert!(is_same_step(one, other) && is_same_step(other, one), "{one} / {other}");
        }
    }

    #[test]
    fn another_step() {
        for (one, other) in [
            ("cutting onions", "frying onions"),
            ("step 1", "step 2"),
            ("pour water", "boil water in a kettle"),
            ("nothing", "washing"),
            ("", "washing"),
        ] {
            assert!(!is_same_step(one, other) && !is_same_step(other, one), "{one} / {other}");
        }
    }
}
