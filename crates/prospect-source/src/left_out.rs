//! The files of a folder or a glob that are not frames.

use std::fmt::{self, Display, Formatter};

/// The numbers of files that are not frames, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Hidden files (including `._x.jpg` of a Mac) and those of file managers.
    pub hidden: usize,
    /// Links to files that do not exist.
    pub dangling: usize,
    /// Files that were found again on another path through linked folders.
    pub again: usize,
    /// Files whose names are not those of images.
    pub others: usize,
}

/// Written as `; left out: 3 hidden files, 1 link that leads nowhere`, or as nothing if no file is left out.
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
