//! Panics, told apart from broken promises: the runtime would swallow those of tasks.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// What panicked on this thread, while somebody watches.
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// What `run` returns, unless it panics itself, and every panic on this thread meanwhile, with its place.
pub(crate) fn watched<T>(run: impl FnOnce() -> T) -> (Option<T>, Vec<String>) {
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_watched =
                SEEN.with_borrow_mut(|seen| seen.as_mut().map(|seen| seen.push(panic.to_string())).is_some());
            if !is_watched {
                usual(panic);
            }
        }));
    });
    SEEN.set(Some(Vec::new()));
    let returned = catch_unwind(AssertUnwindSafe(run)).ok();
    (returned, SEEN.take().unwrap_or_default())
}
