//! "Did you mean": the known name closest to a misspelt one.

/// Names listed in one message.
const LISTED_MAX: usize = 20;
/// Names longer than this get no suggestion: comparing them costs more than it helps.
const NAME_MAX_CHARS: usize = 64;

/// The candidate that `name` most likely stands for, if one is close: the same but for case and `-` or `_`, within a
/// third of its length in edits, or else one that holds it or begins as it does.
pub fn closest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if name.is_empty() || name.len() > NAME_MAX_CHARS {
        return None;
    }
    let wanted = normal(name);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&wanted, &normal(candidate))?, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

fn distance(wanted: &str, candidate: &str) -> Option<usize> {
    let budget = (wanted.len() / 3).max(1);
    if candidate.len().abs_diff(wanted.len()) <= budget {
        let edits = strsim::damerau_levenshtein(wanted, candidate);
        if edits <= budget && edits < candidate.len() {
            return Some(edits);
        }
    }
    let shared = wanted.bytes().zip(candidate.bytes()).take_while(|(a, b)| a == b).count();
    let longer = wanted.len().max(candidate.len());
    let related = wanted.len() >= 3 && candidate.contains(wanted) || shared >= 4 && 2 * shared >= longer;
    related.then_some(longer)
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listing<'c>(names: impl IntoIterator<Item = &'c str>) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.len() > LISTED_MAX {
        let omitted = names.len() - LISTED_MAX;
        names.truncate(LISTED_MAX);
        names.push(format!("{omitted} more"));
    }
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

fn normal(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}
