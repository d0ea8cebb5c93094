//! Listings: the table is read in parallel segments, and the newest rows of those that are asked for are kept.
//!
//! A batch's children are read by key instead; see `children`.
//!
//! A page reads the whole table, at half a read unit per 4 KB: for a million jobs of a kilobyte $0.02 and, as an on-demand
//! table allows some 12,000 units a second, ten seconds and more. Bounding it would not do: rows lie in no order, so that
//! whatever was not read might be the newest. An index would make listings cheap and every job half as dear again, and there are many more jobs than listings.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::limits::PAGE_MAX;
use gantz_core::ports::{JobFilter, JobPage, PortError, PortResult};

use super::{Jobs, row};
use crate::error::port_error;
use crate::item::{Item, names, number, text};

/// Parts of the table that are read at the same time, each a page of at most a megabyte.
const SEGMENTS: i32 = 4;

/// Rows in the order of a listing: by time of acceptance, then by id.
type Place = (u64, JobId);

/// A page of one segment.
struct Scanned {
    segment: i32,
    items: Vec<Item>,
    next: Option<Item>,
}

impl Jobs {
    pub(super) async fn page(
        &self,
        filter: &JobFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> PortResult<JobPage> {
        let before = match (Cursor::parse(cursor)?, &filter.parent) {
            (Cursor::Child(index), Some(parent)) => return self.children(parent, filter, limit, index).await,
            (Cursor::Start, Some(parent)) => match self.children_end(parent).await? {
                Some(end) => return self.children(parent, filter, limit, end).await,
                None => None,
            },
            (Cursor::Start, None) => None,
            (Cursor::Child(_), None) => return Err(foreign(cursor)),
            (Cursor::Before(place), _) => Some(place),
        };
        let scan = Scan::new(filter, before.as_ref(), self.clock.now_ms());
        let mut newest = Newest { limit: limit.clamp(1, PAGE_MAX), rows: BTreeMap::new(), more: false };
        let mut pages: FuturesUnordered<_> =
            (0..SEGMENTS).map(|segment| self.scan(&scan, segment, None)).collect();
        while let Some(page) = pages.try_next().await? {
            for item in page.items {
                newest.offer(row::read(item)?, before.as_ref());
            }
            if page.next.is_some() {
                pages.push(self.scan(&scan, page.segment, page.next));
            }
        }
        Ok(newest.into_page())
    }

    async fn scan(&self, scan: &Scan, segment: i32, start: Option<Item>) -> PortResult<Scanned> {
        let call = self.client().scan().table_name(&self.settings.table);
        let answer = call
            .segment(segment)
            .total_segments(SEGMENTS)
            .set_exclusive_start_key(start)
            .filter_expression(&scan.filter)
            .set_expression_attribute_names(Some(names([&*scan.filter])))
            .set_expression_attribute_values(Some(scan.values.clone()))
            .send()
            .await
            .map_err(|error| port_error("Scan", &error))?;
        Ok(Scanned { segment, items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }
}

/// Which rows to send back.
struct Scan {
    filter: String,
    values: Item,
}

impl Scan {
    fn new(filter: &JobFilter, before: Option<&Place>, now_ms: u64) -> Self {
        // Rows of other kinds have a `#` in their keys; rows whose time is up are no more.
        let mut conditions =
            vec!["NOT contains(#pk, :mark) AND (attribute_not_exists(#expires_at) OR #expires_at > :now)"];
        let mut values = Item::from([(":mark".into(), text("#")), (":now".into(), number(now_ms / 1_000))]);
        let mut only = |condition, name: &str, value: AttributeValue| {
            conditions.push(condition);
            values.insert(name.to_owned(), value);
        };
        if let Some(status) = filter.status {
            only("#status = :status", ":status", text(status.as_str()));
        }
        if let Some(tool) = &filter.tool {
            only("#tool = :tool", ":tool", text(tool));
        }
        if let Some(tenant) = &filter.tenant {
            only("#tenant = :tenant", ":tenant", text(tenant.as_str()));
        }
        if let Some(parent) = &filter.parent {
            only("#parent = :parent", ":parent", text(parent.as_str()));
        }
        if let Some((created_at_ms, _)) = before {
            only("#created_at <= :before", ":before", number(*created_at_ms));
        }
        Self { filter: conditions.join(" AND "), values }
    }
}

/// The newest rows seen so far, never more than `limit`.
struct Newest {
    limit: usize,
    rows: BTreeMap<Place, JobRecord>,
    more: bool,
}

impl Newest {
    fn offer(&mut self, row: JobRecord, before: Option<&Place>) {
        let place = (row.created_at_ms, row.id.clone());
        if before.is_some_and(|before| place >= *before) {
            return;
        }
        self.rows.insert(place, row);
        if self.rows.len() > self.limit {
            self.rows.pop_first();
            self.more = true;
        }
    }

    fn into_page(self) -> JobPage {
        let oldest = self.rows.keys().next().filter(|_| self.more);
        let next = oldest.map(|(created_at_ms, id)| format!("{created_at_ms}.{id}"));
        JobPage { jobs: self.rows.into_values().rev().collect(), next }
    }
}

/// Where a page begins.
#[derive(Debug, PartialEq)]
enum Cursor {
    Start,
    /// Before this row of the table.
    Before(Place),
    /// Before this place in a batch.
    Child(u32),
}

impl Cursor {
    fn parse(cursor: Option<&str>) -> PortResult<Self> {
        let Some(cursor) = cursor else { return Ok(Self::Start) };
        let parsed = match cursor.split_once('.') {
            Some((created_at_ms, id)) => {
                created_at_ms.parse().ok().zip(JobId::try_new(id).ok()).map(Self::Before)
            }
            None => cursor.parse().ok().map(Self::Child),
        };
        parsed.ok_or_else(|| foreign(Some(cursor)))
    }
}

fn foreign(cursor: Option<&str>) -> PortError {
    PortError::Permanent(format!("`{}` is no cursor of this listing of jobs", cursor.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use gantz_testkit::builders::{NOW_MS, job_id, record};

    use super::*;

    fn row(n: u64) -> JobRecord {
        JobRecord { created_at_ms: NOW_MS + n / 2, ..record(&job_id(&format!("some-job.{n}"))) }
    }

    fn places(page: &JobPage) -> Vec<JobId> {
        page.jobs.iter().map(|job| job.id.clone()).collect()
    }

    #[test]
    fn pages_follow_each_other_newest_first() {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let mut newest = Newest { limit: 2, rows: BTreeMap::new(), more: false };
            for n in [3, 0, 4, 1, 2] {
                newest.offer(row(n), before.as_ref());
            }
            let page = newest.into_page();
            assert!(page.jobs.len() <= 2);
            found.extend(places(&page));
            let Some(next) = page.next else { break };
            let Cursor::Before(place) = Cursor::parse(Some(&next)).unwrap() else { unreachable!("no batch") };
            before = Some(place);
        }
        let expected: Vec<_> = [4, 3, 2, 1, 0].map(|n| row(n).id).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn strange_cursors_are_refused() {
        for cursor in ["", "-1", ".some-job", "x.some-job", "12.short", "-1.some-job"] {
            let refused = Cursor::parse(Some(cursor)).unwrap_err();
            assert!(matches!(refused, PortError::Permanent(_)), "{cursor}: {refused:?}");
        }
    }
}
