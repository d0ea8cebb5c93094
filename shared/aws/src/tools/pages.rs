//! Page after page of a listing, within bounds and without going in circles.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;

use gantz_core::outcome::{Failure, Retry};
use tokio::time::Instant;

/// Kept of a call's time for what comes after the last page.
const MARGIN: Duration = Duration::from_secs(1);

/// One page.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next one begins. A page may be empty and yet not the last.
    pub(super) next: Option<String>,
}

/// What may still be read for one call.
pub(super) struct Budget {
    pages: u32,
    deadline: Instant,
}

impl Budget {
    /// So many pages, within a call that started now and may take `timeout_ms`.
    pub(super) fn new(pages: u32, timeout_ms: u64) -> Self {
        let time = Duration::from_millis(timeout_ms);
        Self { pages, deadline: Instant::now() + time.saturating_sub(MARGIN.min(time / 4)) }
    }
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum End {
    /// There are no more pages.
    Last,
    /// The reader had enough.
    Enough,
    /// The pages that one call may read are spent.
    PagesSpent,
    /// The call's time is.
    TimeSpent,
    /// The service led back to a page that was read before.
    Circle,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "there is no more",
            Self::Enough => "as many as were asked for have been read",
            Self::PagesSpent => "there are more pages than one call reads",
            Self::TimeSpent => "there are more pages than the call had time for",
            Self::Circle => "the service gave the same continuation twice",
        })
    }
}

/// Reads pages with `read`, which is given where each begins, and hands their items to `take` until it breaks.
pub(super) async fn follow<T, E, F>(
    budget: &mut Budget,
    mut read: impl FnMut(Option<String>) -> F,
    mut take: impl FnMut(T) -> ControlFlow<()>,
) -> Result<End, E>
where
    F: Future<Output = Result<Page<T>, E>>,
{
    let mut seen = HashSet::new();
    let mut next = None;
    loop {
        if budget.pages == 0 {
            return Ok(End::PagesSpent);
        }
        budget.pages -= 1;
        let Ok(page) = tokio::time::timeout_at(budget.deadline, read(next)).await else {
            return Ok(End::TimeSpent);
        };
        let page = page?;
        if page.items.into_iter().try_for_each(&mut take).is_break() {
            return Ok(End::Enough);
        }
        match page.next.filter(|next| !next.is_empty()) {
            None => return Ok(End::Last),
            Some(again) if !seen.insert(again.clone()) => return Ok(End::Circle),
            more => next = more,
        }
    }
}

/// Why a result may be less than complete, if it may. A failure that left nothing to show stays one, as does one that
/// will not pass.
pub(super) fn lacking(end: Result<End, Failure>, empty: bool) -> Result<Option<String>, Failure> {
    match end {
        Ok(End::Last) => Ok(None),
        Ok(end) => Ok(Some(end.to_string())),
        Err(failure) if empty || failure.retry == Retry::Never => Err(failure),
        Err(failure) => Ok(Some(failure.message)),
    }
}

#[cfg(test)]
mod tests {
    use gantz_core::outcome::ErrorKind;

    use super::*;

    #[test]
    fn a_result_says_what_it_lacks() {
        let failure = |retry| Failure::new(ErrorKind::Throttled, "rate exceeded", retry);
        let (throttled, denied) = (failure(Retry::After(1_000)), failure(Retry::Never));
        assert_eq!(lacking(Ok(End::Last), false), Ok(None));
        assert_eq!(
            lacking(Ok(End::Circle), true),
            Ok(Some("the service gave the same continuation twice".into()))
        );
        assert_eq!(lacking(Err(throttled.clone()), false), Ok(Some("rate exceeded".into())));
        assert_eq!(lacking(Err(throttled.clone()), true), Err(throttled));
        assert_eq!(lacking(Err(denied.clone()), false), Err(denied));
    }

    fn page(items: &[u32], next: Option<&str>) -> Page<u32> {
        Page { items: items.to_vec(), next: next.map(str::to_owned) }
    }

    async fn read(
        pages: u32,
        enough: usize,
        read: impl Fn(Option<&str>) -> Result<Page<u32>, String>,
    ) -> (Vec<u32>, Result<End, String>) {
        let (mut items, mut budget) = (Vec::new(), Budget::new(pages, 10_000));
        let end = follow(
            &mut budget,
            |next| std::future::ready(read(next.as_deref())),
            |item| {
                items.push(item);
                if items.len() == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        let end = end.await;
        (items, end)
    }

    fn three(next: Option<&str>) -> Result<Page<u32>, String> {
        match next {
            None => Ok(page(&[1, 2], Some("b"))),
            Some("b") => Ok(page(&[], Some("c"))),
            Some("c") => Ok(page(&[3], Some(""))),
            Some(other) => Err(format!("no page {other}")),
        }
    }

    #[tokio::test]
    async fn reads_to_the_end_over_empty_pages() {
        assert_eq!(read(3, 9, three).await, (vec![1, 2, 3], Ok(End::Last)));
        assert_eq!(read(2, 9, three).await, (vec![1, 2], Ok(End::PagesSpent)));
        assert_eq!(read(3, 2, three).await, (vec![1, 2], Ok(End::Enough)));
    }

    #[tokio::test]
    async fn leaves_a_circle() {
        let circle = |next: Option<&str>| {
            Ok(match next {
                None => page(&[1], Some("a")),
                Some("a") => page(&[2], Some("b")),
                _ => page(&[3], Some("a")),
            })
        };
        assert_eq!(read(100, 9, circle).await, (vec![1, 2, 3], Ok(End::Circle)));
    }

    #[tokio::test]
    async fn keeps_what_came_before_an_error() {
        let broken = |next: Option<&str>| match next {
            None => Ok(page(&[1], Some("a"))),
            Some(_) => Err("throttled".to_owned()),
        };
        assert_eq!(read(100, 9, broken).await, (vec![1], Err("throttled".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn stops_when_the_time_is_spent() {
        let mut items = Vec::new();
        let slow = |next: Option<String>| async move {
            let from = next.map_or(0, |next| next.parse().unwrap());
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok::<_, String>(page(&[from], Some(&(from + 1).to_string())))
        };
        let take = |item| {
            items.push(item);
            ControlFlow::Continue(())
        };
        let end = follow(&mut Budget::new(100, 10_000), slow, take).await;
        assert_eq!((items, end), (vec![0, 1], Ok(End::TimeSpent)));
    }
}
