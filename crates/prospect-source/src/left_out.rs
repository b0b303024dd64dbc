//! What a folder or a glob has beside its frames.

use std::fmt::{self, Display, Formatter};

/// Files that are no frames, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Hidden files (`._x.jpg` of a Mac is one) and those of file managers.
    pub hidden: usize,
    /// Links to what is not there.
    pub dangling: usize,
    /// Files that were met again on another way through linked folders.
    pub again: usize,
    /// Files that do not have the name of an image.
    pub others: usize,
}

/// `; left out: 3 hidden files, 1 link that leads nowhere`; nothing where nothing is left out.
impl Display for LeftOut {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut before = "; left out: ";
        for (number, one, several) in [
            (self.hidden, "hidden file", "hidden files"),
            (self.dangling, "link that leads nowhere", "links that lead nowhere"),
            (self.again, "file met again through a link", "files met again through links"),
            (self.others, "file that is no image by its name", "files that are no images by their names"),
        ] {
            if number > 0 {
                write!(f, "{before}{number} {}", if number == 1 { one } else { several })?;
                before = ", ";
            }
        }
        Ok(())
    }
}
