//! Running calls at the same time.

use std::future::Future;

use tokio::task::JoinSet;

/// Starts every future as a task of its own and returns their values, in no order.
pub(crate) async fn together<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    futures.into_iter().collect::<JoinSet<_>>().join_all().await
}
