//! Running the checker, and saying what it found.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, Expectation, HasDiscoveries, Model};
use tokio::time::Instant;

/// The variable that asks for the larger bounds: `GANTZ_MODEL=full`. They take a minute of a core, too long for every
/// build.
const EXTENT: &str = "GANTZ_MODEL";

/// A bound, small as a rule.
pub(crate) fn extent(small: u8, full: u8) -> u8 {
    match std::env::var(EXTENT).as_deref() {
        Ok("full") => full,
        Ok(other) => panic!("{EXTENT} is `{other}`, expected `full`"),
        Err(_) => small,
    }
}

/// Explores every state of a model, and fails with the shortest way to a state that breaks a promise.
pub(crate) fn holds<M>(name: &str, model: M) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + Debug + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    let began = Instant::now();
    let properties = model.properties();
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let states = checker.unique_state_count();
    let (transitions, depth) = (checker.state_count(), checker.max_depth());
    let seconds = began.elapsed().as_secs_f64();
    let discoveries = checker.discoveries();
    for property in &properties {
        match (&property.expectation, discoveries.get(property.name)) {
            (Expectation::Sometimes, None) => panic!("{name}: not possible: {}", property.name),
            (Expectation::Always, Some(path)) => panic!("{name}: broken: {}\n{}", property.name, told(path)),
            _ => {}
        }
    }
    assert!(checker.is_done(), "{name}: not every state was looked at");
    println!("{name}: {states} states, {transitions} transitions, depth {depth}, {seconds:.1} s");
    states
}

/// Looks for a state that breaks the promise, which must be there.
pub(crate) fn breaks<M>(name: &str, model: M, promise: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + Debug + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    let began = Instant::now();
    let wanted = HasDiscoveries::AllOf(BTreeSet::from([promise]));
    let checker = model.checker().finish_when(wanted).spawn_bfs().join();
    let states = checker.unique_state_count();
    let seconds = began.elapsed().as_secs_f64();
    let Some(path) = checker.discovery(promise) else {
        panic!("{name}: {promise}: holds in all of {states} states");
    };
    println!(
        "{name} breaks \"{promise}\" in {} steps, found among {states} states, {seconds:.1} s",
        told(&path).lines().count()
    );
}

fn told<S: Clone + PartialEq + Debug, A: Clone + PartialEq + Debug>(path: &stateright::Path<S, A>) -> String {
    let steps = path.clone().into_vec();
    let lines: Vec<String> = steps
        .iter()
        .map(|(state, action)| match action {
            Some(action) => format!("{action:?}"),
            None => format!("{state:?}"),
        })
        .collect();
    lines.join("\n")
}
