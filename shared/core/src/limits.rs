//! Every bound of the system, in one place, each with its reason.
//!
//! Sizes are bytes, times milliseconds, unless the name says otherwise.

/// A job id is at most this long: the width the HTTP API, the queue's message id and a table key all take.
pub const JOB_ID_MAX_CHARS: usize = 64;
/// A caller's own job id is at least this long, so that ids chosen by hand do not collide by accident.
pub const JOB_ID_MIN_CHARS: usize = 8;
/// A batch id leaves room for `.` and the child's index in [`JOB_ID_MAX_CHARS`].
pub const BATCH_ID_MAX_CHARS: usize = JOB_ID_MAX_CHARS - 8;
/// Children of one batch: seven digits of index, with a margin below ten million.
pub const BATCH_CHILDREN_MAX: u32 = 1_000_000;
/// Children per shard row. A row of this many indexes stays far below one write unit's kilobyte.
pub const BATCH_SHARD_CHILDREN: u32 = 200;

/// An idempotency key, as long as most HTTP APIs allow.
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 255;
/// A tenant's name: the length of an SQS `MessageGroupId`.
pub const TENANT_MAX_CHARS: usize = 128;
/// A name that breaks its rule, as far as errors and rows repeat it.
pub const NAME_SHOWN_MAX_CHARS: usize = 80;
/// What a person calls a job (a file's path, a line's number): enough to find it, small enough for a row.
pub const LABEL_MAX_BYTES: usize = 256;

/// Parameters above this travel by reference: ten of them and their envelopes fit one SQS batch of 1 MiB.
pub const INLINE_PARAMETERS_MAX_BYTES: usize = 64 * 1024;
/// Parameters above this are refused: the body an HTTP API on Lambda can take is 6 MB, minus room for the envelope.
pub const PARAMETERS_MAX_BYTES: usize = 5 * 1024 * 1024;
/// Parameters that the row of a job which ended without success keeps itself; larger ones are a blob. They are there to
/// be submitted again by, and most are small.
pub const KEPT_PARAMETERS_MAX_BYTES: usize = 2 * 1024;
/// Results above this are stored by reference: eight write units cost as much as one S3 PUT.
pub const INLINE_RESULT_MAX_BYTES: usize = 8 * 1024;
/// Results above this fail the job: nobody polls for more, and memory per running job must be bounded.
pub const RESULT_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Nesting of JSON we accept: deeper documents are attacks on recursive readers.
pub const JSON_DEPTH_MAX: usize = 64;
/// An error's message in the row. The tail of a program's stderr fits, a log file does not.
pub const ERROR_MESSAGE_MAX_BYTES: usize = 2 * 1024;
/// A past attempt's message in the row: the gist of each, as the row keeps the last one in full.
pub const PAST_ATTEMPT_MESSAGE_MAX_BYTES: usize = 256;
/// Past attempts and deferrals kept in a row, newest last, so that it stays within a few kilobytes.
pub const PAST_ATTEMPTS_MAX: usize = 8;
/// Attempts whose states a row's history tells: two for each, of some 25 bytes.
pub const HISTORY_MAX_ATTEMPTS: u32 = 6;

/// Children without success that a batch lists one by one: who has more of them looks at their reasons.
pub const FAILURES_SHOWN_MAX: usize = 100;

/// The manifest's size. The largest hand-written ones are tens of kilobytes.
pub const MANIFEST_MAX_BYTES: usize = 1024 * 1024;
/// Tools in one manifest.
pub const MANIFEST_TOOLS_MAX: usize = 1_000;
/// Schedules of one manifest, each a resource of a stack, which holds 500.
pub const MANIFEST_SCHEDULES_MAX: usize = 200;
/// Triggers of one manifest: every upload is held against each.
pub const MANIFEST_TRIGGERS_MAX: usize = 100;
/// Other MCP servers of a manifest: each may be a process beside every worker.
pub const MANIFEST_MCP_SERVERS_MAX: usize = 50;
/// Parameters of one tool.
pub const TOOL_PARAMETERS_MAX: usize = 200;

/// Attempts of one job.
pub const ATTEMPTS_MAX: u32 = 100;
/// Times a job may be handed back without consuming an attempt, by its tool or its worker, so that none snoozes for ever.
pub const DEFERRALS_MAX: u32 = 1_000;
/// One attempt's timeout: twelve hours, the longest an SQS message may stay invisible.
pub const TIMEOUT_MAX_MS: u64 = 12 * 60 * 60 * 1000;
/// The wait before an attempt that could not start is tried again: long enough for a passing fault to pass. It doubles
/// each time.
pub const NOT_STARTED_RETRY_MS: u64 = 1_000;
/// The longest of these waits: with [`DEFERRALS_MAX`] of them a job outlives an outage of sixteen hours.
pub const NOT_STARTED_RETRY_MAX_MS: u64 = 60_000;
/// The longest wait before a retry or a deferral: an SQS visibility timeout is at most twelve hours.
pub const POSTPONE_MAX_MS: u64 = 12 * 60 * 60 * 1000;
/// The longest delay of a submission: what is left of [`DEADLINE_MAX_AHEAD_MS`] without the time that a job has by default.
pub const DELAY_MAX_MS: u64 = DEADLINE_MAX_AHEAD_MS - DEADLINE_DEFAULT_MS;
/// The longest delay of a message that SQS allows.
pub const SEND_DELAY_MAX_MS: u64 = 15 * 60 * 1000;
/// The deadline of a job that names none. Whoever waits for an agent's call has given up by then.
pub const DEADLINE_DEFAULT_MS: u64 = 4 * 24 * 60 * 60 * 1000;
/// The furthest deadline, from when the job is submitted: a message dies [`QUEUE_RETENTION_MS`] after it was sent, and its job
/// must have ended before.
pub const DEADLINE_MAX_AHEAD_MS: u64 = 13 * 24 * 60 * 60 * 1000;
/// How long a queue keeps a message: the longest that SQS does, fourteen days.
pub const QUEUE_RETENTION_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// A lease on a long-polling worker: short enough that a crash is noticed soon, long enough for three heartbeats.
pub const LEASE_MS: u64 = 30_000;
/// Heartbeats come three to a lease, so that two may get lost.
pub const HEARTBEAT_MS: u64 = LEASE_MS / 3;
/// Time kept at the end of an attempt's visibility for recording its outcome.
pub const SETTLE_MARGIN_MS: u64 = 10_000;
/// A finished job's row is kept this long: half a month, the window in which a repeated submission finds it. Longer than any
/// message lives ([`QUEUE_RETENTION_MS`]), so that none is left when the row goes that would run its job again.
pub const RETENTION_MS: u64 = 15 * 24 * 60 * 60 * 1000;

/// How far before the end of the last look for new objects the next one begins. A listing shows an object only once it is complete, with
/// the time its multipart upload began: a day covers uploads of terabytes, and any skew of clocks. It lies far below
/// [`RETENTION_MS`], so that the marks that tell old objects from new ones are still there.
pub const OBJECT_OVERLAP_MS: u64 = 24 * 60 * 60 * 1000;

/// Messages in one queue call: what SQS allows.
pub const QUEUE_BATCH_MAX: usize = 10;
/// Receives before a message is dead-lettered. Attempts are counted in the job's row; this net only catches what kills
/// the process before a claim, so it lies well above any burst of restarts and of postponements.
pub const MAX_RECEIVES: u32 = 100;

/// How soon a message comes back that a port failed under, at first. It doubles with each receive: a fault of the
/// backend that passes at once costs half a second.
pub const PORT_RETRY_MS: u64 = 500;

/// The longest that such a message waits, so that work goes on within a minute of the end of an outage.
pub const PORT_RETRY_MAX_MS: u64 = 60_000;

/// How soon a message comes back that this worker cannot handle but another one may, at first: its tool is not in the
/// manifest here, or a later version wrote it. It doubles with each receive.
pub const NOT_HERE_MS: u64 = 1_000;

/// The longest that such a message waits: whoever brings the worker up to date does not want to wait longer.
pub const NOT_HERE_MAX_MS: u64 = 900_000;
/// The first ceiling of the wait for room among a tool's calls at once, and the last: a call may end at any time, and a
/// hundred receives must last for hours.
pub const NO_ROOM_MS: u64 = 500;
/// See [`NO_ROOM_MS`].
pub const NO_ROOM_MAX_MS: u64 = 5 * 60 * 1_000;

/// Times that a dead-lettered message whose job may still run is put back. A thousand deliveries, up to fifteen minutes
/// apart, bring a job to its deadline behind a rate limit or an open breaker; one that dies under all of them never ran.
pub const PUT_BACK_MAX: u32 = 10;
/// The HTTP request body: the largest submission and its envelope.
pub const HTTP_BODY_MAX_BYTES: usize = 6 * 1024 * 1024;
/// A piece of a batch's list of items, as it is stored: the planner holds one in memory. As large as a request's body,
/// which was stored in one piece once.
pub const BATCH_PART_MAX_BYTES: usize = HTTP_BODY_MAX_BYTES;
/// The longest a request may wait for a job: below the 29 s of the API gateways.
pub const HTTP_WAIT_MAX_MS: u64 = 25_000;
/// The longest an MCP call may wait for its job: clients give up after a minute.
pub const MCP_WAIT_MAX_MS: u64 = 45_000;
/// The largest result, as JSON, that an MCP call answers with: more than any agent reads at once.
pub const MCP_RESULT_MAX_BYTES: usize = 1024 * 1024;
/// Items of one page of a listing.
pub const PAGE_MAX: usize = 1_000;
/// Rows one page of a filtered listing may read before it answers with what it has and a cursor.
pub const PAGE_SCAN_MAX: usize = 20_000;
/// Queued jobs past which submissions are answered 429: an hour's work for a slow tool, a minute's for a quick one.
pub const BACKLOG_MAX: u64 = 2_000_000;
