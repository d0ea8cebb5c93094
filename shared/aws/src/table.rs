//! The table, for endpoints that no template sets up: tests, and emulators on this machine.

use std::time::Duration;

use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use gantz_core::ports::{PortError, PortResult};

use crate::Session;
use crate::error::port_error;
use crate::item::PK;

/// A table is created within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates the table `name`, billed on demand, unless it exists. Once this returned, it can be used.
///
/// Nothing is ever deleted from it: readers ignore rows whose time is up, and the template's table has DynamoDB delete
/// them.
///
/// # Errors
/// When the service refuses, or the table is not ready within a minute.
pub async fn create_table(session: &Session, name: &str) -> PortResult<()> {
    let client = session.dynamodb();
    let key =
        AttributeDefinition::builder().attribute_name(PK).attribute_type(ScalarAttributeType::S).build();
    let schema = KeySchemaElement::builder().attribute_name(PK).key_type(KeyType::Hash).build();
    let answer = client
        .create_table()
        .table_name(name)
        .attribute_definitions(key.map_err(incomplete)?)
        .key_schema(schema.map_err(incomplete)?)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    match answer {
        Ok(_) => {}
        Err(error)
            if matches!(error.as_service_error(), Some(CreateTableError::ResourceInUseException(_))) => {}
        Err(error) => return Err(port_error("CreateTable", &error)),
    }
    let ready = client.wait_until_table_exists().table_name(name).wait(PATIENCE).await;
    ready
        .map(drop)
        .map_err(|error| PortError::Transient(format!("the table `{name}` does not come up: {error}")))
}

fn incomplete(error: impl std::fmt::Display) -> PortError {
    PortError::Permanent(error.to_string())
}
