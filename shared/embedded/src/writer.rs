//! The one thread that writes, and its group commit.

use std::sync::Arc;

use gantz_core::ports::{PortError, PortResult};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc::{self, Receiver, Sender, WeakSender};
use tokio::sync::oneshot;

use crate::log::Log;
use crate::room::Room;

/// Operations in one commit. More would not lower the cost of each, and would keep the first ones waiting.
const GROUP_MAX: usize = 512;
/// Operations that wait for their group. Past it callers wait for room: a disk that stalls must not fill the memory.
const WAITING_MAX: usize = 8 * GROUP_MAX;

/// When what was written reaches the disk, where a power failure cannot undo it. A process that ends undoes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flush {
    /// With the next commit that is flushed: all before it in the log are flushed with it.
    Later,
    /// Before its caller has the answer.
    Now,
}

impl Flush {
    /// SQLite's name for it.
    fn synchronous(self) -> &'static str {
        match self {
            Self::Later => "NORMAL",
            Self::Now => "FULL",
        }
    }
}

/// Hands operations to the writing thread. The thread ends when the last handle is gone.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    operations: Sender<Box<dyn Operation>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(connection: Connection, log: Log, room: Arc<Room>) -> std::io::Result<Self> {
        let (operations, mut waiting) = mpsc::channel(WAITING_MAX);
        let thread = Thread { connection, flush: Flush::Now, log, room };
        std::thread::Builder::new().name("gantz-writer".into()).spawn(move || thread.run(&mut waiting))?;
        Ok(Self { operations })
    }

    /// A handle that does not keep the thread.
    pub(crate) fn downgrade(&self) -> WeakWriter {
        WeakWriter(self.operations.downgrade())
    }

    /// Runs `work` on the writing thread and returns its value once it is durable.
    ///
    /// An error of `work` undoes the whole group it was part of, and every caller of that group gets an error. So
    /// `work` fails only when the database does: what callers can do wrong is part of its value. Damage that it finds
    /// before it has written anything is its caller's alone: whoever reads rows reads them first.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> PortResult<T> {
        self.call_then(Flush::Now, work, |_| ()).await
    }

    /// As [`Writer::call`], for what need not be durable yet.
    pub(crate) async fn call_unflushed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> PortResult<T> {
        self.call_then(Flush::Later, work, |_| ()).await
    }

    /// As [`Writer::call`]; `then` runs once the value is committed, also if the caller no longer waits for it.
    pub(crate) async fn call_then<T: Send + 'static>(
        &self,
        flush: Flush,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> PortResult<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call { flush, work: Some(work), value: None, then, reply };
        let stopped = || PortError::Permanent("the store is closed".into());
        self.operations.send(Box::new(call)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// As [`Writer::call_then`], for what nobody waits for and a clock will mend if it is lost: when too many
    /// operations wait, it is.
    pub(crate) fn post<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) {
        let (reply, _) = oneshot::channel();
        let call = Call { flush: Flush::Later, work: Some(work), value: None, then, reply };
        if self.operations.try_send(Box::new(call)).is_err() {
            tracing::debug!("nobody had time for an operation that can wait");
        }
    }
}

/// A handle that does not keep the thread.
pub(crate) struct WeakWriter(WeakSender<Box<dyn Operation>>);

impl WeakWriter {
    /// The writer, while somebody else has a handle.
    pub(crate) fn upgrade(&self) -> Option<Writer> {
        self.0.upgrade().map(|operations| Writer { operations })
    }
}

#[cfg(test)]
impl Writer {
    /// Runs whatever `operations` ask of the writer at first, as one group: the thread is busy until then.
    pub(crate) async fn one_group<T>(&self, operations: impl Future<Output = T>) -> T {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = self.call(move |_| Ok(wait.recv().ok()));
        tokio::join!(busy, operations, async move { drop(go) }).1
    }
}

trait Operation: Send {
    fn flush(&self) -> Flush;
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn committed(self: Box<Self>);
    fn undone(self: Box<Self>, error: &PortError);
}

struct Call<T, W, N> {
    flush: Flush,
    work: Option<W>,
    value: Option<PortResult<T>>,
    then: N,
    reply: oneshot::Sender<PortResult<T>>,
}

impl<T, W, N> Operation for Call<T, W, N>
where
    T: Send,
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    N: FnOnce(&T) + Send,
{
    fn flush(&self) -> Flush {
        self.flush
    }

    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let written = connection.total_changes();
        self.value = match work(connection) {
            Ok(value) => Some(Ok(value)),
            Err(error) if is_damage(&error) && connection.total_changes() == written => {
                Some(Err(port_error(&error)))
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn committed(self: Box<Self>) {
        let Some(value) = self.value else { return };
        if let Ok(value) = &value {
            (self.then)(value);
        }
        // A caller that went away needs no answer.
        self.reply.send(value).ok();
    }

    fn undone(self: Box<Self>, error: &PortError) {
        self.reply.send(Err(error.clone())).ok();
    }
}

/// The writing thread.
struct Thread {
    connection: Connection,
    /// How the connection commits at present.
    flush: Flush,
    log: Log,
    room: Arc<Room>,
}

impl Thread {
    fn run(mut self, waiting: &mut Receiver<Box<dyn Operation>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut next = None;
        while let Some(first) = next.take().or_else(|| waiting.blocking_recv()) {
            group.push(first);
            while group.len() < GROUP_MAX
                && let Ok(operation) = waiting.try_recv()
            {
                group.push(operation);
            }
            let flush = group.iter().map(|operation| operation.flush()).max().unwrap_or(Flush::Now);
            match self.commit(&mut group, flush, waiting, &mut next) {
                Ok(()) => {
                    for operation in group.drain(..) {
                        operation.committed();
                    }
                    self.room.sufficed();
                    self.log.committed(&mut self.connection);
                }
                Err(error) => {
                    undo(&self.connection);
                    let error = self.error_of_all(&error, group.len());
                    for operation in group.drain(..) {
                        operation.undone(&error);
                    }
                }
            }
        }
    }

    /// What each of a group that was undone is told.
    fn error_of_all(&self, error: &rusqlite::Error, operations: usize) -> PortError {
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            return self.room.lacks(operations, error);
        }
        let error = port_error(error);
        tracing::error!(%error, operations, "a group of writes was undone");
        error
    }

    /// Runs the group, and whatever else arrives meanwhile, as one transaction. One that has to be flushed earlier than
    /// the group is left in `next`.
    fn commit(
        &mut self,
        group: &mut Vec<Box<dyn Operation>>,
        flush: Flush,
        waiting: &mut Receiver<Box<dyn Operation>>,
        next: &mut Option<Box<dyn Operation>>,
    ) -> rusqlite::Result<()> {
        let connection = &self.connection;
        if self.flush != flush {
            connection.pragma_update(None, "synchronous", flush.synchronous())?;
            self.flush = flush;
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut done = 0;
        while let Some(operation) = group.get_mut(done) {
            operation.run(connection)?;
            done += 1;
            if done < group.len() || done >= GROUP_MAX || next.is_some() {
                continue;
            }
            match waiting.try_recv() {
                Ok(operation) if operation.flush() <= flush => group.push(operation),
                Ok(operation) => *next = Some(operation),
                Err(_) => {}
            }
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

fn undo(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "failed to roll back");
    }
}

/// What a database error means to a port's caller.
pub(crate) fn port_error(error: &rusqlite::Error) -> PortError {
    if is_damage(error) {
        return PortError::Damaged(error.to_string());
    }
    let message = format!("SQLite: {error}");
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => {
            PortError::Transient(message)
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => PortError::Transient(message),
        _ => PortError::Permanent(message),
    }
}

/// A row does not hold what was written to it: somebody's hand, another program or the disk changed it. The database
/// itself is well.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use gantz_core::host::Clock;

    use super::*;

    fn writer() -> (Writer, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        let room = Arc::new(Room::new(folder.path(), Clock::new(|| 0)));
        (Writer::start(connection, Log::of(&path), room).unwrap(), folder)
    }

    /// How the transaction will be committed that asks.
    fn level(connection: &Connection) -> rusqlite::Result<Flush> {
        match connection.pragma_query_value(None, "synchronous", |row| row.get(0))? {
            1 => Ok(Flush::Later),
            2 => Ok(Flush::Now),
            _ => Err(rusqlite::Error::InvalidQuery),
        }
    }

    #[tokio::test]
    async fn a_commit_is_flushed_if_one_of_its_callers_has_to_be_answered() {
        let (writer, _folder) = writer();
        for _ in 0..2 {
            assert_eq!(writer.call_unflushed(level).await.unwrap(), Flush::Later);
            assert_eq!(writer.call(level).await.unwrap(), Flush::Now);
        }
        let both = async { tokio::join!(writer.call_unflushed(level), writer.call(level)) };
        let (first, second) = writer.one_group(both).await;
        assert_eq!((first.unwrap(), second.unwrap()), (Flush::Now, Flush::Now), "they share a flush");
    }

    #[tokio::test]
    async fn what_must_be_flushed_does_not_join_a_commit_that_is_not() {
        let (writer, _folder) = writer();
        let (go, wait) = mpsc::channel::<()>();
        let begun = writer.call_unflushed(move |connection| {
            wait.recv().unwrap();
            level(connection)
        });
        let later = async {
            // The transaction of the first one has begun when nothing waits any more.
            while writer.operations.capacity() < writer.operations.max_capacity() {
                tokio::task::yield_now().await;
            }
            let asked = async { tokio::join!(writer.call_unflushed(level), writer.call(level)) };
            tokio::join!(asked, async move { go.send(()).unwrap() }).0
        };
        let (begun, (joined, flushed)) = tokio::join!(begun, later);
        assert_eq!(begun.unwrap(), Flush::Later);
        assert_eq!((joined.unwrap(), flushed.unwrap()), (Flush::Later, Flush::Now));
    }
}
