//! The rows of the table.

/// A fault, and what must hold all the same.
#[derive(Debug)]
pub struct Row {
    /// The row's number, by which tests name it.
    pub number: u32,
    /// What goes wrong.
    pub fault: &'static str,
    /// What must hold.
    pub expected: &'static str,
    /// The levels at which it is to be shown.
    pub levels: &'static str,
    /// Why no test shows it, if none can yet.
    pub missing: Option<&'static str>,
}

const fn row(number: u32, levels: &'static str, fault: &'static str, expected: &'static str) -> Row {
    Row { number, fault, expected, levels, missing: None }
}

/// Every fault that the fleet is to survive.
pub const ROWS: &[Row] = &[
    row(1, "P", "the answer to POST /jobs is lost, 1,000 times, same key", "one job, same id"),
    row(2, "U", "same key, other parameters", "409, row untouched"),
    row(3, "K", "crash between record and send", "no 202; repeating heals it; I1"),
    row(4, "P", "SendMessage applied, answer lost", "two messages, one effect"),
    row(
        5,
        "P",
        "SendMessageBatch answers 200 with Failed",
        "only the failed resent, never `SenderFault` ones, never accepted ones",
    ),
    row(
        6,
        "U, P",
        "batch over 10 entries or over the byte limit, characters SQS refuses",
        "split; large to a blob; clear 400",
    ),
    row(7, "S", "S3 event twice and out of order", "one job per sequencer"),
    row(
        8,
        "U, P",
        "S3 key `a+b%2B`, 0 bytes, 5 TB, missing, `dir/`",
        "right key; bounded reads; a typed failure",
    ),
    row(9, "S", "a schedule fires twice", "one job"),
    row(10, "S", "EventBridge and async Lambda deliver again", "one job"),
    row(11, "P", "PutEvents FailedEntryCount > 0", "only the failed resent; no ack before; I5"),
    row(12, "S", "two deliveries at once", "one claim; the loser does not ack"),
    row(13, "P", "claim applied, answer lost", "attempt rises once; the run goes on"),
    row(14, "P", "finish applied, answer lost", "success by `finished_by`; I1, I5"),
    row(15, "S", "visibility expires in mid-run", "postponed again; one effect"),
    row(16, "K", "SIGSTOP longer than the lease, then resume", "old finish refused, `fenced_out` = 1; I2"),
    row(17, "S, P", "clock off by 10 s, by 6 min", "I1, I2; an expired signature is retried"),
    row(18, "U", "remaining time 0 or missing", "a lease is still set; not reclaimed early"),
    row(19, "K", "kill -9 at every failpoint", "I1–I5; count the points"),
    row(20, "K", "out of memory in one record", "I9; FAILED after max attempts"),
    row(
        21,
        "S, K",
        "function timeout in mid-batch",
        "records that never started go back unharmed; only running ones are in doubt",
    ),
    row(22, "S", "DynamoDB away 10 min, 10,000 leases expire", "I7, I8; time to drain"),
    row(23, "U", "a record errs or panics in a batch of 10", "one failure id, nine gone"),
    row(24, "U", "shapes of the batch response", "golden bytes; never an unknown or empty id"),
    row(25, "S", "FIFO: the middle one fails", "the later ones of its group returned, order kept"),
    row(26, "S", "throttled mapping sends messages to the DLQ with no invocation", "put back, not FAILED"),
    row(27, "S", "stale receipt: delete does nothing, or errs", "redelivery acked, one effect"),
    row(28, "P", "DeleteMessageBatch fails in part", "only the failed retried"),
    row(29, "S", "a deleted message comes back", "I1"),
    row(30, "S", "a chain of 17 hops; 17 retries", "retries unharmed; the chain capped with a typed error"),
    row(31, "K", "tool done, crash before finish", "keyed: provider saw one; at-most-once: IN_DOUBT"),
    row(32, "P", "invoked function slower than the client timeout", "one execution"),
    row(33, "P", "pooled connection closed while frozen", "no error reaches a user"),
    row(34, "K", "freeze right after the response", "metrics and logs already out"),
    row(35, "S", "dependency down, then up, 100 workers half-open", "probes bounded; load <= 1.1x"),
    row(36, "P", "SDK, job and SQS retries stacked", "calls <= max attempts, not a product"),
    row(37, "S", "breaker open or limit hit for an hour", "no attempt burnt, no job failed"),
    row(
        38,
        "K",
        "poison (panic, stack overflow) among traffic",
        "FAILED after max attempts; neighbours unharmed",
    ),
    row(39, "U, P", "results of 399 KB, 401 KB, 7 MB", "a reference to a blob; I10"),
    row(
        40,
        "P",
        "throttled pages and token loops in listings",
        "complete, or a typed partial; filter before limit",
    ),
    row(41, "K", "crash between finish and event, event and ack", "I4, I5"),
    row(42, "S", "a child finishes twice; the set-delete's answer is lost", "I6"),
    row(43, "K", "parent dies in mid fan-out", "children once; I6"),
    row(44, "S", "a child fails, is cancelled, expires", "the parent still completes"),
    row(
        45,
        "S",
        "cancel races accept, claim, finish, release",
        "one terminal; no start after CANCELLED was seen",
    ),
    row(46, "S", "deadline passes in the queue, and while running", "EXPIRED; the tool is aborted"),
    row(47, "S", "TTL 48 h late", "dedupe window holds; reads ignore expired rows"),
    row(48, "S, P", "DynamoDB throttles, hot parent", "backoff with jitter; I8"),
    row(49, "S", "one tenant sends 10x", "the quiet tenant's waiting time stays bounded"),
    row(50, "S", "everything above at random, then nothing", "I1–I10; longest recovery"),
];
