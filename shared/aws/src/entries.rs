//! Calls that carry several entries: what became of each, and what that says of all together.

use gantz_core::ports::{EntryError, PortResult};

/// A service's answer for one entry.
pub(crate) type Answer = Result<(), EntryError>;
/// What became of one entry: its own answer, or the error of the call that should have brought one.
pub(crate) type Outcome = PortResult<Answer>;

/// The answer for an entry that the service's answer to a call does not mention.
pub(crate) fn unanswered() -> EntryError {
    EntryError {
        code: "Unanswered".to_owned(),
        message: "the answer does not mention the entry".to_owned(),
        sender_fault: false,
    }
}

/// Whether the same entry may be taken the next time. A call that failed as a whole was repeated by the SDK already.
pub(crate) fn may_pass(outcome: &Outcome) -> bool {
    matches!(outcome, Ok(Err(error)) if !error.sender_fault)
}

/// The answers for all entries together: an error only where no entry has an answer of its own.
pub(crate) fn whole(outcomes: Vec<Outcome>) -> PortResult<Vec<Answer>> {
    if outcomes.iter().all(Result::is_err)
        && let Some(Err(error)) = outcomes.first()
    {
        return Err(error.clone());
    }
    let answers = outcomes.into_iter().map(|outcome| {
        outcome.unwrap_or_else(|error| {
            let sender_fault = !error.is_transient();
            Err(EntryError { code: "CallFailed".to_owned(), message: error.to_string(), sender_fault })
        })
    });
    Ok(answers.collect())
}

#[cfg(test)]
mod tests {
    use gantz_core::ports::PortError;

    use super::*;

    #[test]
    fn one_answer_is_enough_for_the_whole() {
        let lost = || Err(PortError::Transient("reset".to_owned()));
        assert!(matches!(whole(vec![lost(), lost()]), Err(PortError::Transient(_))));
        let answers = whole(vec![lost(), Ok(Ok(()))]).unwrap();
        assert!(matches!(&answers[..], [Err(EntryError { sender_fault: false, .. }), Ok(())]));
        assert!(whole(Vec::new()).is_ok_and(|none| none.is_empty()));
    }
}
