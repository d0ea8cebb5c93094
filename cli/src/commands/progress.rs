//! The progress bar of a batch, on stderr; nothing where stderr is no terminal.

use std::fmt::Write;

use gantz_core::batch::BatchProgress;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar that goes when it is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(
            "{spinner} [{elapsed_precise}] {wide_bar} {human_pos}/{human_len} {rate} {msg}",
        ) {
            let rate = |state: &ProgressState, out: &mut dyn Write| {
                // A bar that cannot be drawn is no reason to stop.
                write!(out, "{:.0} jobs/s", state.per_sec()).ok();
            };
            bar.set_style(style.with_key("rate", rate));
        }
        Self(bar)
    }

    pub(super) fn show(&self, progress: &BatchProgress) {
        // Without a length the bar is empty; of nothing, all would be done.
        if progress.batch.planned > 0 {
            self.0.set_length(u64::from(progress.batch.planned));
        }
        self.0.set_position(u64::from(progress.totals.finished()));
        let failed = progress.totals.unsuccessful();
        let listing = if progress.batch.planning_done { "" } else { "listing… " };
        let failed = if failed > 0 { format!("{failed} failed") } else { String::new() };
        self.0.set_message(format!("{listing}{failed}"));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
