//! One client, line by line.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::McpServer;

/// Serves one client on stdin and stdout, or on whatever else there is, until it leaves. What it called goes on.
///
/// # Errors
/// When the client does not speak the protocol.
pub async fn serve_stdio(
    server: McpServer,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), StdioError> {
    let input = Watched { input, left: server.left.clone() };
    match server.serve((input, output)).await {
        Ok(running) => running.waiting().await.map(|_| ()).map_err(|error| StdioError(error.to_string())),
        // It left without a word.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(StdioError(error.to_string())),
    }
}

/// The client and this server do not understand each other.
#[derive(Debug, thiserror::Error)]
#[error("the client on stdin does not speak MCP: {0}")]
pub struct StdioError(String);

/// Whether the client has left. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Left(Arc<AtomicBool>);

impl Left {
    pub(super) fn has_happened(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// An input that notes its end, before its reader hears of it.
struct Watched<R> {
    input: R,
    left: Left,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::task::ready!(Pin::new(&mut self.input).poll_read(context, buffer));
        if read.is_err() || buffer.filled().len() == before {
            self.left.0.store(true, Ordering::Release);
        }
        Poll::Ready(read)
    }
}
