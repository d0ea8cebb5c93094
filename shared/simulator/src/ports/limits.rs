//! What the fleet shares: rate limits and breakers.

use async_trait::async_trait;
use gantz_core::limiter::{self, RateLimit, Taken};
use gantz_core::ports::{BreakerState, Limits, PortResult};

use crate::process::Process;
use crate::world::State;

/// The row of one key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dial {
    tat_us: u64,
    open_until_ms: u64,
    probe_until_ms: u64,
}

#[async_trait]
impl Limits for Process {
    async fn take(&self, key: &str, limit: &RateLimit, tokens: u32, now_ms: u64) -> PortResult<Taken> {
        let limit = *limit;
        self.turn("take", key, move |dial| {
            let taken = limiter::take(dial.tat_us, &limit, tokens, now_ms);
            if let Taken::Granted { tat_us, .. } = taken {
                dial.tat_us = tat_us;
            }
            taken
        })
        .await
    }

    async fn breaker(&self, key: &str) -> PortResult<BreakerState> {
        self.turn("breaker", key, |dial| match dial.open_until_ms {
            0 => BreakerState::Closed,
            until_ms => BreakerState::OpenUntil { until_ms },
        })
        .await
    }

    async fn trip(&self, key: &str, until_ms: u64) -> PortResult<()> {
        self.turn("trip", key, move |dial| {
            dial.open_until_ms = dial.open_until_ms.max(until_ms);
            dial.probe_until_ms = 0;
        })
        .await
    }

    async fn open(&self, key: &str, until_ms: u64) -> PortResult<()> {
        self.turn("open", key, move |dial| {
            dial.open_until_ms = until_ms;
            dial.probe_until_ms = 0;
        })
        .await
    }

    async fn probe(&self, key: &str, until_ms: u64, now_ms: u64) -> PortResult<bool> {
        self.turn("probe", key, move |dial| {
            let is_due =
                dial.open_until_ms > 0 && dial.open_until_ms <= now_ms && dial.probe_until_ms <= now_ms;
            if is_due {
                dial.probe_until_ms = until_ms;
            }
            is_due
        })
        .await
    }

    async fn reset(&self, key: &str) -> PortResult<()> {
        self.turn("reset", key, |dial| {
            dial.open_until_ms = 0;
            dial.probe_until_ms = 0;
        })
        .await
    }
}

impl Process {
    async fn turn<T: Send + 'static>(
        &self,
        method: &'static str,
        key: &str,
        turn: impl Fn(&mut Dial) -> T + Send + 'static,
    ) -> PortResult<T> {
        let wanted = key.to_owned();
        let turn = move |state: &mut State| turn(state.dials.entry(wanted.clone()).or_default());
        self.call(method, key, turn).await
    }
}
