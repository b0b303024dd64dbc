//! Lines that break at words.

/// The text with every line that is wider than `width` broken at words. The rest of a line is indented like
/// its text. In a line of a name and a value, with two or more spaces between them, it is indented like the
/// value. A word that is wider than the terminal stays whole, so that a path can be copied.
pub(crate) fn fitted(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let lines = text.split('\n').map(|line| match line.chars().count() <= width {
        true => line.to_owned(),
        false => broken(line, width),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn broken(line: &str, width: usize) -> String {
    let indent = continuation(line, width);
    let head: String = line.chars().take(indent).collect();
    let rest: String = line.chars().skip(indent).collect();
    let mut lines = vec![head];
    let mut used = indent;
    for (number, word) in rest.split_whitespace().enumerate() {
        let length = word.chars().count();
        if number > 0 && used + 1 + length > width {
            lines.push(" ".repeat(indent));
            used = indent;
        } else if number > 0 {
            used += 1;
            if let Some(last) = lines.last_mut() {
                last.push(' ');
            }
        }
        if let Some(last) = lines.last_mut() {
            last.push_str(word);
        }
        used += length;
    }
    lines.join("\n")
}

/// The column at which the value of a line begins, if that leaves half of the width; else that of its text.
fn continuation(line: &str, width: usize) -> usize {
    let letters: Vec<char> = line.chars().collect();
    let begin = letters.iter().take_while(|letter| **letter == ' ').count();
    let gap = (begin..letters.len().saturating_sub(2))
        .find(|&at| letters[at] == ' ' && letters[at + 1] == ' ')
        .map(|at| at + letters[at..].iter().take_while(|letter| **letter == ' ').count());
    match gap {
        Some(value) if value <= width / 2 => value,
        _ if begin <= width / 2 => begin,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_stands_under_its_value() {
        let text =
            "folder\n  decoder       96 wide, 4 layers, 6 query and 2 key heads of 16\n  short         x";
        let expected = "folder\n  decoder       96 wide, 4 layers, 6\n                query and 2 key heads of\n                16\n  short         x";
        assert_eq!(fitted(text, Some(40)), expected);
        assert_eq!(fitted(text, None), text);
    }

    #[test]
    fn a_line_without_a_value_breaks_behind_its_indentation() {
        assert_eq!(fitted("a bench of three words", Some(10)), "a bench of\nthree\nwords");
        assert_eq!(fitted("  a bench of words", Some(10)), "  a bench\n  of words");
    }

    #[test]
    fn a_word_stays_whole() {
        let path = "/a/very/long/path/that/is/wider/than/the/terminal";
        assert_eq!(fitted(&format!("trace: {path} is there"), Some(20)), format!("trace:\n{path}\nis there"));
    }
}
