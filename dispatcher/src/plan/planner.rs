//! From a batch to its children, a shard at a time.

use std::ops::Range;
use std::path::Path;

use gantz_core::admit::{Admission, Family, admit_child, child_record};
use gantz_core::batch::{BatchRecord, PlannedShard, PlanningEnd, first_of, shard_of};
use gantz_core::event;
use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::lifecycle::{CancelVerdict, Ending, GiveUpVerdict};
use gantz_core::limits::{BATCH_CHILDREN_MAX, BATCH_SHARD_CHILDREN, PARAMETERS_MAX_BYTES};
use gantz_core::manifest::ToolSpec;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_core::trace::TraceParent;
use serde_json::{Map, Value};

use super::page::{Again, Item, Page, Source, SourceError, together};
use super::turn::Turn;
use super::{StepEnd, StoredSource, stop};
use crate::submit::SubmitError;

/// What came of a page.
enum Planned {
    /// Its children are sent; there is more.
    More,
    /// Planning ends, early if there is a reason.
    Over(Option<String>),
    /// Another planner is ahead, or has written another page: it is begun again from the row.
    Overtaken,
}

/// Plans one batch, as far as its turn lets it.
pub(super) struct Planner<'a> {
    pub(super) turn: &'a Turn<'a>,
    pub(super) batch: BatchRecord,
    pub(super) source: &'a StoredSource,
    pub(super) shared: Map<String, Value>,
    pub(super) trace: Option<TraceParent>,
    /// What the source has had so far and the batch has not.
    pub(super) left_out: u32,
}

impl Planner<'_> {
    pub(super) async fn plan(mut self, spared: &Path) -> Result<StepEnd, SubmitError> {
        if self.batch.planning_done {
            return self.end(None).await;
        }
        if self.batch.cancel_requested_at_ms.is_some() && self.batch.open_shards.is_empty() {
            return self.end(Some("cancelled before it was planned".into())).await;
        }
        let dispatcher = self.turn.dispatcher;
        let Some(tool) = dispatcher.manifest.tool(&self.batch.tool) else {
            return self
                .end(Some(format!("the manifest no longer has the tool `{}`", self.batch.tool)))
                .await;
        };
        // What an earlier planner had written down is planned as it was then, whatever has become of the source.
        if let Some(reference) = self.batch.page.clone() {
            let page = match Page::read(&*self.turn.dispatcher.ports.blobs, &reference).await? {
                Ok(page) => page,
                Err(error) => return self.end(Some(error)).await,
            };
            match self.page(tool, page, Some(reference)).await? {
                Planned::More => {}
                Planned::Over(error) => return self.end(error).await,
                Planned::Overtaken => return Ok(StepEnd::More),
            }
        }
        let mut source = match Source::open(dispatcher, tool, self.source, &self.batch, spared).await {
            Ok(source) => source,
            Err(SourceError::Final(error)) => return self.end(Some(error)).await,
            Err(SourceError::Port(error)) => return Err(error.into()),
        };
        loop {
            if self.turn.is_over() {
                return Ok(StepEnd::More);
            }
            let page;
            (source, page) = source.next_page(BATCH_SHARD_CHILDREN as usize).await?;
            if !page.items.is_empty() && self.is_over() && !self.is_opened() {
                let moment = if self.batch.planned == 0 { "before" } else { "while" };
                return self.end(Some(format!("its deadline passed {moment} it was planned"))).await;
            }
            match self.page(tool, page, None).await? {
                Planned::More => {}
                Planned::Over(error) => return self.end(error).await,
                Planned::Overtaken => return Ok(StepEnd::More),
            }
        }
    }

    /// Whether an earlier planner has opened the shard that is next: the batch waits for its children.
    fn is_opened(&self) -> bool {
        self.batch.open_shards.contains(&shard_of(self.batch.planned))
    }

    fn is_over(&self) -> bool {
        self.batch.is_over(self.turn.dispatcher.clock.now_ms())
    }

    /// Records and sends the children of one page, a shard's. It is written down first, unless it was read from where
    /// it is written.
    async fn page(
        &mut self,
        tool: &ToolSpec,
        page: Page,
        written: Option<String>,
    ) -> Result<Planned, SubmitError> {
        self.left_out = page.left_out;
        if page.items.is_empty() {
            return Ok(page.end.map_or(Planned::More, |end| Planned::Over(end.err())));
        }
        let ports = &self.turn.dispatcher.ports;
        let children = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        let number = shard_of(self.batch.planned);
        if first_of(number) + children > BATCH_CHILDREN_MAX {
            return Ok(Planned::Over(Some(format!("the source has more than {BATCH_CHILDREN_MAX} items"))));
        }
        let reference = match written {
            Some(reference) => reference,
            None => page.write(&*ports.blobs, &self.shared).await?,
        };
        let shard = PlannedShard { number, children, page: Some(reference.clone()) };
        let Some(row) = ports.batches.open_shard(&self.batch.id, shard.clone()).await? else {
            return Ok(Planned::Over(Some("the batch is gone".into())));
        };
        // A shard that was opened before the crash of an earlier planner is finished first: the batch waits for it.
        if row.cancel_requested_at_ms.is_some() && !row.open_shards.contains(&number) {
            return Ok(Planned::Over(Some("cancelled while it was planned".into())));
        }
        if row.planned > shard.first_index() || row.page.is_some_and(|page| page != reference) {
            return Ok(Planned::Overtaken);
        }
        let Page { items, cursor, end, .. } = page;
        self.shard(tool, shard, items, cursor).await?;
        Ok(end.map_or(Planned::More, |end| Planned::Over(end.err())))
    }

    async fn shard(
        &mut self,
        tool: &ToolSpec,
        shard: PlannedShard,
        items: Vec<Item>,
        cursor: String,
    ) -> Result<(), SubmitError> {
        let family = self.batch.family(self.trace.clone());
        let mut admitted = Vec::with_capacity(items.len());
        for (index, item) in (shard.first_index()..).zip(items) {
            match self.admit(tool, &family, index, item) {
                Ok(admission) => admitted.push(admission),
                Err((admission, error)) => self.refuse(admission, error).await?,
            }
        }
        self.turn.dispatcher.dispatch_children(admitted).await?;
        if self.batch.open_shards.contains(&shard.number) {
            // It may have been opened for more children than the source had when its page was written.
            self.abandon(shard.first_index() + shard.children..next_shard(shard.number)).await?;
        }
        let ports = &self.turn.dispatcher.ports;
        ports.batches.advance(&self.batch.id, shard.clone(), Some(cursor.clone())).await?;
        self.batch.advance(&shard, Some(cursor));
        self.turn.renew().await?;
        Ok(())
    }

    #[expect(clippy::result_large_err, reason = "the error is a refused child, handled right away")]
    fn admit(
        &self,
        tool: &ToolSpec,
        family: &Family,
        index: u32,
        item: Item,
    ) -> Result<Admission, (Admission, String)> {
        let now_ms = self.turn.dispatcher.clock.now_ms();
        let Item { parameters, label, again } = item;
        let refused = |parameters: Value, label: Option<String>, error: String| {
            let record = child_record(tool, family, index, label, &parameters, now_ms);
            (doing_again(Admission { record, parameters, delay_ms: 0, trace: None }, again.clone()), error)
        };
        let own = match parameters {
            Ok(own) => own,
            Err(error) => return Err(refused(Value::Null, label, error)),
        };
        let parameters = Value::Object(together(&self.shared, own));
        let admission = match admit_child(tool, family, index, parameters.clone(), label.clone(), now_ms) {
            Ok(admission) => admission,
            Err(error) => return Err(refused(parameters, label, error.to_string())),
        };
        // What is shared and the defaults count too. Refused by the dispatcher, it would hold up all the others.
        let bytes = admission.parameters.to_string().len();
        if bytes > PARAMETERS_MAX_BYTES {
            return Err(refused(parameters, label, SubmitError::TooLarge { bytes }.to_string()));
        }
        Ok(doing_again(admission, again))
    }

    /// A child whose parameters are wrong is recorded as failed, so that nothing of the source is lost.
    async fn refuse(&self, child: Admission, error: String) -> Result<(), SubmitError> {
        let ports = &self.turn.dispatcher.ports;
        let now_ms = self.turn.dispatcher.clock.now_ms();
        let ending = Ending::failed(JobError::new(ErrorKind::Invalid, error));
        let row = match ports.jobs.give_up(child.record, 0, ending, now_ms).await? {
            GiveUpVerdict::Committed(row) | GiveUpVerdict::Finished(row) => row,
            GiveUpVerdict::MovedOn => return Ok(()),
        };
        // It cannot be the last one: its batch is still being planned.
        self.turn.dispatcher.tell_end_of_child(&row).await?;
        Ok(())
    }

    /// Ends planning, and with it the batch if all its children have ended.
    async fn end(&self, error: Option<String>) -> Result<StepEnd, SubmitError> {
        // Children may have been planned since their batch was cancelled or came to its deadline, and the message that tells of
        // that handled before they were.
        if stop::if_it_shall(self.turn, &self.batch.id).await? == StepEnd::More {
            return Ok(StepEnd::More);
        }
        if error.is_none() && self.batch.planning_error.is_none() {
            self.note_looked_at().await?;
        }
        let ports = &self.turn.dispatcher.ports;
        let now_ms = self.turn.dispatcher.clock.now_ms();
        let end = PlanningEnd { error, left_out: self.left_out };
        let Some(mut batch) = ports.batches.end_planning(&self.batch.id, end, now_ms).await? else {
            return Ok(StepEnd::Done);
        };
        // From here on no shard is opened any more. One that was opened and not planned is of a planner that died and
        // that this one cannot stand in for, because the source or the tool is gone: nobody else would end its
        // children, and the batch would wait for ever.
        let given_up: Vec<u32> =
            batch.open_shards.iter().copied().filter(|number| first_of(*number) >= batch.planned).collect();
        for number in given_up {
            if let Some(ended) = self.abandon(first_of(number)..next_shard(number)).await? {
                batch = ended;
            }
        }
        self.turn.dispatcher.publish(event::batch_completion(&batch)).await?;
        Ok(StepEnd::Done)
    }

    /// A run of a schedule has looked at everything: the next one begins there.
    async fn note_looked_at(&self) -> Result<(), SubmitError> {
        let (StoredSource::NewObjects(of), Some(taken)) = (self.source, &self.turn.dispatcher.new_objects)
        else {
            return Ok(());
        };
        Ok(taken.looked_at(&of.schedule, of.due_ms).await?)
    }

    /// Settles children that were announced by opening their shard and will not be planned. Returns the batch if that
    /// ended it.
    async fn abandon(&self, children: Range<u32>) -> Result<Option<BatchRecord>, SubmitError> {
        let ports = &self.turn.dispatcher.ports;
        let mut ended = None;
        for index in children {
            let last = match self.turn.dispatcher.cancel(&JobId::child(&self.batch.id, index)).await? {
                CancelVerdict::Ended(row) | CancelVerdict::Finished(row) => {
                    self.turn.dispatcher.tell_end_of_child(&row).await?
                }
                CancelVerdict::Unknown => {
                    let now_ms = self.turn.dispatcher.clock.now_ms();
                    ports.batches.mark(&self.batch.id, index, JobStatus::Failed, now_ms).await?
                }
                // Its worker will end and mark it.
                CancelVerdict::Requested(_) => continue,
            };
            ended = last.or(ended);
        }
        Ok(ended)
    }
}

fn doing_again(mut child: Admission, again: Option<Again>) -> Admission {
    if let Some(Again { retry_of, effect_key }) = again {
        child.record.retry_of = Some(retry_of);
        child.record.effect_key = Some(effect_key);
    }
    child
}

pub(super) fn next_shard(shard: u32) -> u32 {
    first_of(shard + 1)
}
