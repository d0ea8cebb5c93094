use async_trait::async_trait;

use super::PortResult;

/// Secrets that are kept apart from the process that needs them.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// What is kept under this name, such as `/search/token`; `None` if there is nothing, or it may not be told.
    async fn secret(&self, name: &str) -> PortResult<Option<String>>;
}
