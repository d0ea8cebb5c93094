//! [`SecretStore`] over the parameter store of AWS Systems Manager.

use async_trait::async_trait;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use gantz_core::ports::{PortResult, SecretStore};

use crate::LazySession;
use crate::error::port_error;

/// Parameters that the process's credentials may read, `SecureString`s among them.
#[derive(Debug)]
pub struct ParameterStore {
    session: LazySession,
}

impl ParameterStore {
    /// Parameters as `session` may read them.
    pub fn new(session: impl Into<LazySession>) -> Self {
        Self { session: session.into() }
    }
}

#[async_trait]
impl SecretStore for ParameterStore {
    async fn secret(&self, name: &str) -> PortResult<Option<String>> {
        let session = self.session.get().await;
        match session.ssm().get_parameter().name(name).with_decryption(true).send().await {
            Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value)),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
                Ok(None)
            }
            Err(error) => Err(port_error("GetParameter", &error)),
        }
    }
}
