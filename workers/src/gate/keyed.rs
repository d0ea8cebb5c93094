//! A value for each key, of which there may be as many as there are tenants or hosts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Keys that are remembered. Beyond, those that nobody uses at the moment are forgotten: a limit begins anew then, and a
/// breaker knows no more than what the fleet does.
const KEYS_MAX: usize = 10_000;

/// Values by key, made when they are first asked for.
pub(super) struct Keyed<T>(Mutex<HashMap<String, Arc<T>>>);

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Keyed<T> {
    pub(super) fn get(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = values.get(key) {
            return Arc::clone(value);
        }
        if values.len() >= KEYS_MAX {
            values.retain(|_, value| Arc::strong_count(value) > 1);
        }
        let value = Arc::new(make());
        values.insert(key.to_owned(), Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_kept_and_the_rest_is_bounded() {
        let keyed = Keyed::default();
        let used = keyed.get("used", || 0);
        for n in 1..=3 * KEYS_MAX {
            assert_eq!(*keyed.get(&n.to_string(), || n), n);
            assert!(keyed.0.lock().unwrap().len() <= KEYS_MAX);
        }
        assert!(Arc::ptr_eq(&used, &keyed.get("used", || 1)));
    }
}
