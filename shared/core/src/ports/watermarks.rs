use async_trait::async_trait;

use super::PortResult;

/// Keeps how far each scan for new objects has come.
#[async_trait]
pub trait Watermarks: Send + Sync {
    /// The scan's watermark as it is now, if the scan was ever begun.
    async fn get(&self, name: &str) -> PortResult<Option<Watermark>>;

    /// Replaces the scan's watermark if it still is `expected`; `None` expects that there is none. Once this returned
    /// true, `new` is durable. False: it was another one, which stays. After an error either may be the case.
    async fn save(&self, name: &str, expected: Option<&Watermark>, new: &Watermark) -> PortResult<bool>;
}

/// How far a scan has come. No value ever comes back: `until_ms` only grows, and so does `cursor` while it stands still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The scheduled time of the last run that was finished, milliseconds since the epoch; 0 before the first.
    pub until_ms: u64,
    /// The last key that the run under way has dealt with.
    pub cursor: Option<String>,
    /// The scheduled time of the run under way, if there is one.
    pub running_until_ms: Option<u64>,
}

impl Watermark {
    /// What to do for the run scheduled at `scheduled_at_ms`: a run that is under way, by this watermark, or `None` if
    /// nothing is left to do, because this run or a later one was finished, or a later one is under way.
    ///
    /// An earlier run that was never finished comes first. Its cursor is no good for a later one: objects may have
    /// arrived behind it since.
    #[must_use]
    pub fn run(&self, scheduled_at_ms: u64) -> Option<Self> {
        if self.until_ms >= scheduled_at_ms {
            return None;
        }
        match self.running_until_ms {
            Some(running_until_ms) if running_until_ms > scheduled_at_ms => None,
            Some(_) => Some(self.clone()),
            None => {
                Some(Self { until_ms: self.until_ms, cursor: None, running_until_ms: Some(scheduled_at_ms) })
            }
        }
    }

    /// The run under way has dealt with everything up to and with the key `cursor`.
    #[must_use]
    pub fn at(&self, cursor: String) -> Self {
        Self { cursor: Some(cursor), ..self.clone() }
    }

    /// The run under way has dealt with everything.
    #[must_use]
    pub fn finished(&self) -> Self {
        Self {
            until_ms: self.running_until_ms.unwrap_or(self.until_ms),
            cursor: None,
            running_until_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Watermark;

    fn mark(until_ms: u64, cursor: Option<&str>, running_until_ms: Option<u64>) -> Watermark {
        Watermark { until_ms, cursor: cursor.map(str::to_owned), running_until_ms }
    }

    #[test]
    fn a_run_begins_goes_on_or_is_not_needed() {
        let table = [
            ("first", mark(0, None, None), 10, Some(mark(0, None, Some(10)))),
            ("next", mark(10, None, None), 20, Some(mark(10, None, Some(20)))),
            ("repeated", mark(10, None, None), 10, None),
            ("late", mark(10, None, None), 5, None),
            ("its own, interrupted", mark(10, Some("k"), Some(20)), 20, Some(mark(10, Some("k"), Some(20)))),
            ("another before it", mark(10, Some("k"), Some(20)), 30, Some(mark(10, Some("k"), Some(20)))),
            ("a later one is under way", mark(10, Some("k"), Some(20)), 15, None),
        ];
        for (name, seen, scheduled_at_ms, expected) in table {
            assert_eq!(seen.run(scheduled_at_ms), expected, "{name}");
        }
    }

    #[test]
    fn the_end_of_a_run_moves_the_watermark_to_its_scheduled_time() {
        let end = mark(10, None, Some(20)).at("k".into()).finished();
        assert_eq!(end, mark(20, None, None));
    }
}
