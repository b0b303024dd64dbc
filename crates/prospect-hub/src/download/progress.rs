//! The bar of a download, silent when standard error is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

use super::listing::RemoteFile;

/// How far the files of one step are.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar over the bytes of all files; one that is not shown draws nothing.
    pub(super) fn of(files: &[&RemoteFile], is_shown: bool) -> Self {
        if !is_shown {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(files.iter().map(|file| file.bytes).sum());
        let template = "{msg:32!} {bar:24} {decimal_bytes:>10} / {decimal_total_bytes:<10} {decimal_bytes_per_sec:>12}, {eta} left";
        // The template is a constant; should it ever be wrong, the plain bar is no failure.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// What is being done.
    pub(super) fn say(&self, message: &str) {
        self.0.set_message(message.to_owned());
    }

    /// Bytes that were received.
    pub(super) fn received(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Bytes that were there already; they say nothing of the speed.
    pub(super) fn there(&self, bytes: u64) {
        self.0.inc(bytes);
        self.0.reset_eta();
    }

    /// Bytes that have to be received again.
    pub(super) fn lost(&self, bytes: u64) {
        self.0.dec(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
