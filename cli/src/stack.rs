//! A stack on AWS, as commands reach it: with the caller's own credentials, through the stack's own resources.

use std::sync::Arc;

use gantz_aws::stack::Stacks;
use gantz_aws::{Session, Settings};
use gantz_core::ports::Ports;

use crate::error::CliError;

/// Where stacks are: what is not given here is as the AWS configuration says.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
}

impl Aws {
    pub(crate) async fn session(&self) -> Session {
        Session::with(self.region.clone(), self.endpoint_url.clone()).await
    }
}

/// A stack that was found.
pub(crate) struct Connected {
    pub(crate) ports: Ports,
    pub(crate) session: Arc<Session>,
    pub(crate) settings: Arc<Settings>,
}

/// Finds the stack's resources among its outputs.
pub(crate) async fn connect(aws: &Aws, name: &str) -> Result<Connected, CliError> {
    let session = Arc::new(aws.session().await);
    let found = Stacks::new(&session).find(name).await?;
    let stack = found.ok_or_else(|| {
        let region = session.region().unwrap_or("no region");
        CliError::failed(format!("there is no stack `{name}` in {region}"))
            .hint("`gantz deploy --stack NAME` makes one; `--region` and the credentials say where to look")
    })?;
    let settings = Settings::from_outputs(&stack.outputs)
        .map_err(|output| CliError::failed(format!("the stack `{name}` has no output `{output}`")))?;
    let settings = Arc::new(settings);
    let ports = gantz_aws::connect(Arc::clone(&session), Arc::clone(&settings), crate::shell::clock());
    Ok(Connected { ports, session, settings })
}
