//! The parameters of a custom strategy, from `[context.custom.params]`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Value;

/// Parameters by name. A parameter that the strategy does not read is refused, because it is probably a
/// typing error.
pub struct Parameters<'a> {
    table: &'a toml::Table,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Parameters<'a> {
    /// The parameters of a table.
    pub fn new(table: &'a toml::Table) -> Self {
        Self { table, read: RefCell::default() }
    }

    /// A whole number of at least 0; `default` if it is not given.
    ///
    /// # Errors
    /// The value has another type or is negative. The text is one line.
    pub fn count(&self, name: &str, default: usize) -> Result<usize, String> {
        let count = |value: &Value| value.as_integer().and_then(|number| usize::try_from(number).ok());
        self.get(name, default, count, "a whole number of at least 0")
    }

    /// A number; `default` if it is not given.
    ///
    /// # Errors
    /// The value has another type. The text is one line.
    pub fn number(&self, name: &str, default: f64) -> Result<f64, String> {
        let number =
            |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        self.get(name, default, number, "a number")
    }

    /// A text; `default` if it is not given.
    ///
    /// # Errors
    /// The value has another type. The text is one line.
    pub fn text(&self, name: &str, default: &str) -> Result<String, String> {
        self.get(name, default.to_owned(), |value| value.as_str().map(str::to_owned), "a string")
    }

    fn get<T>(
        &self,
        name: &str,
        default: T,
        read: impl Fn(&Value) -> Option<T>,
        expected: &str,
    ) -> Result<T, String> {
        self.read.borrow_mut().insert(name.to_owned());
        match self.table.get(name) {
            None => Ok(default),
            Some(value) => read(value).ok_or_else(|| format!("{name} = {value}: expected {expected}")),
        }
    }

    pub(super) fn check_all_read(&self) -> Result<(), String> {
        let read = self.read.borrow();
        match self.table.keys().find(|name| !read.contains(*name)) {
            None => Ok(()),
            Some(name) if read.is_empty() => Err(format!("{name}: expected no parameters")),
            Some(name) => {
                let known = read.iter().cloned().collect::<Vec<_>>().join(", ");
                Err(format!("{name}: no such parameter: expected {known}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_types_and_defaults_and_none_is_left_over() {
        let table: toml::Table = "every = 3\nshare = 1\nname = \"x\"\nnegative = -1".parse().unwrap();
        let parameters = Parameters::new(&table);
        assert_eq!(parameters.count("every", 2), Ok(3));
        assert_eq!(parameters.number("share", 0.5), Ok(1.0));
        assert_eq!(parameters.text("name", ""), Ok("x".to_owned()));
        assert_eq!(parameters.number("other", 0.5), Ok(0.5));
        assert_eq!(
            parameters.check_all_read().unwrap_err(),
            "negative: no such parameter: expected every, name, other, share"
        );
        let wrong = parameters.count("negative", 0).unwrap_err();
        assert_eq!(wrong, "negative = -1: expected a whole number of at least 0");
        assert_eq!(parameters.check_all_read(), Ok(()));
        assert!(parameters.text("every", "").unwrap_err().contains("expected a string"));
        assert_eq!(Parameters::new(&table).check_all_read().unwrap_err(), "every: expected no parameters");
    }
}
