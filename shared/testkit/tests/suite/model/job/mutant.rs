//! Mistakes in the shell, each of which the check must find.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A delivery that finds the job held by another worker deletes its message.
    DeletesWhileHeld,
    /// An end is written without showing the attempt it belongs to.
    EndsWithoutFence,
    /// An end is written without asking whether there is one.
    EndsAgain,
    /// The message is deleted before the event is accepted.
    DeletesBeforeEvent,
    /// A child's message is deleted before the batch has counted it.
    DeletesBeforeMark,
    /// A claim does not ask whether the last attempt ended in an orderly way.
    ClaimsAfterCrash,
    /// A claim does not ask whether a lease lives.
    ClaimsHeldJobs,
    /// A cancellation does not ask whether a lease lives.
    EndsHeldJobs,
    /// A cancellation does not ask whether the last attempt ended in an orderly way.
    CancelsAfterCrash,
    /// A claim does not ask whether attempts are left.
    ClaimsForEver,
    /// The caller is answered before the message is sent.
    AnswersBeforeSending,
    /// The message is sent only by the submission that recorded the row.
    SendsOnlyOnce,
    /// The dead-letter handler deletes what it should put back.
    DropsDeadLetters,
}
