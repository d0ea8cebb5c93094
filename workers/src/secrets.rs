//! Secrets that tools need and a manifest only names: found when a tool first needs them, and looked up again before long,
//! so that one that was changed is the new one without a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gantz_core::host::Clock;
use gantz_core::manifest::secret::{SecretName, SecretPart};
use gantz_core::outcome::{ErrorKind, Outcome};
use gantz_core::ports::SecretStore;

/// How long what the store told is believed.
const BELIEVED_MS: u64 = 5 * 60 * 1000;

/// Where a process finds secrets. Clones share what was found.
#[derive(Clone)]
pub struct Secrets {
    clock: Clock,
    variable: fn(&str) -> Option<String>,
    store: Option<Arc<dyn SecretStore>>,
    told: Arc<Mutex<BTreeMap<String, Arc<Told>>>>,
}

/// What the store told of one secret, and when. Locked over the call: whoever needs it at the same time waits for the one
/// answer.
type Told = tokio::sync::Mutex<Option<(String, u64)>>;

impl Secrets {
    /// Those in the process's environment, and no others.
    pub fn of_environment(clock: Clock) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self { clock, variable, store: None, told: Arc::default() }
    }

    /// These, and those in a store.
    #[must_use]
    pub fn and_store(self, store: impl SecretStore + 'static) -> Self {
        Self { store: Some(Arc::new(store)), ..self }
    }

    /// The text that these parts make. A secret that cannot be had is the call's failure; it names the secret and tells
    /// nothing of any.
    pub(crate) async fn fill(&self, parts: &[SecretPart]) -> Result<String, Outcome> {
        let mut text = String::new();
        for part in parts {
            match part {
                SecretPart::Literal(literal) => text += literal,
                SecretPart::Secret(name) => text += &self.value(name).await?,
            }
        }
        Ok(text)
    }

    pub(crate) async fn value(&self, name: &SecretName) -> Result<String, Outcome> {
        let lacking = |why: &str| Outcome::permanent(ErrorKind::AccessDenied, format!("`{name}` {why}"));
        match name {
            SecretName::Env(variable) => {
                (self.variable)(variable).ok_or_else(|| lacking("is not set where this worker runs"))
            }
            SecretName::Ssm(path) => {
                let Some(store) = &self.store else {
                    return Err(lacking("cannot be read here: this worker knows no parameter store"));
                };
                let told = self.told(path);
                let mut known = told.lock().await;
                let now_ms = self.clock.now_ms();
                if let Some((value, at_ms)) = &*known
                    && now_ms < at_ms + BELIEVED_MS
                {
                    return Ok(value.clone());
                }
                match (store.secret(path).await, &*known) {
                    (Ok(Some(value)), _) => {
                        *known = Some((value.clone(), now_ms));
                        Ok(value)
                    }
                    (Ok(None), _) => Err(lacking("is not there")),
                    (Err(error), Some((value, _))) if error.is_transient() => {
                        tracing::warn!(secret = %name, %error, "failed to look a secret up again; the last one is used");
                        Ok(value.clone())
                    }
                    (Err(error), _) => {
                        let message = format!("`{name}` cannot be read: {error}");
                        Err(if error.is_transient() {
                            Outcome::transient(ErrorKind::Unavailable, message)
                        } else {
                            Outcome::permanent(ErrorKind::AccessDenied, message)
                        })
                    }
                }
            }
        }
    }

    fn told(&self, path: &str) -> Arc<Told> {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(path.to_owned()).or_default())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
