//! The worker's promises, over the embedded backend and in paused time.
//!
//! Every test is one promise: it submits jobs of [`crate::mode_tool::ModeTool`], which behaves as a job's parameters say, lets
//! workers run, and looks at rows, queues, events and the tool's own journal. Most end with
//! [`crate::fleet::Fleet::all_is_settled`], which checks what must be true of every fleet once it is done.

mod faulty_store;

mod at_most_once;
mod batch_of_ten;
mod breaker;
mod cancel;
mod crash;
mod dead_letters;
mod deadline;
mod fair;
mod fan_in;
mod heartbeat;
mod kept;
mod large_payloads;
mod limits;
mod paused;
mod rate_limit;
mod retry;
mod shutdown;
mod timeout;
