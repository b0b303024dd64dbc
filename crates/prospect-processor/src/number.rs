//! Whole numbers in English words.

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// `number` in English words, as Python's `num2words` writes it (`one hundred and five`). Numbers from
/// a million on stay in digits.
pub fn number_words(number: usize) -> String {
    match number {
        0..20 => ONES[number].into(),
        20..100 if number.is_multiple_of(10) => TENS[number / 10].into(),
        20..100 => format!("{}-{}", TENS[number / 10], ONES[number % 10]),
        100..1000 if number.is_multiple_of(100) => format!("{} hundred", ONES[number / 100]),
        100..1000 => format!("{} hundred and {}", ONES[number / 100], number_words(number % 100)),
        1000..1_000_000 => {
            let thousands = format!("{} thousand", number_words(number / 1000));
            match number % 1000 {
                0 => thousands,
                rest @ 1..100 => format!("{thousands} and {}", number_words(rest)),
                rest => format!("{thousands}, {}", number_words(rest)),
            }
        }
        _ => number.to_string(),
    }
}
