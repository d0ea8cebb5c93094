//! Work that goes on when its caller hangs up.

use tokio::task::JoinError;

/// Does `work` to its end even if nobody waits for it any more: half a submission is a row whose message was never sent.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, CutShort> {
    tokio::spawn(work).await.map_err(CutShort)
}

/// The work panicked.
#[derive(Debug, thiserror::Error)]
#[error("the request was cut short by a fault of the server")]
pub(crate) struct CutShort(#[source] JoinError);
