//! The statements of which lanes are made ([`crate::lanes`] has the rules), on CQL.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::Seq;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::CqlValue;
use uuid::Uuid;

use crate::lanes::segments::{
    Answer, Failure, Registered, SealIf, SegmentId, SegmentState, Segments, StoredEvent, StoredGroup,
    StoredHead,
};
use crate::{Clock, ConversationKey, Incarnation, JournalEntry, LaneId};

use super::OpenError;
use super::outcome::{Columns, Conditional};
use super::session::{Cql, Statement};
use super::statements::SegmentStatements;
use super::value::{bigint, ids, rows};

mod journal;
mod line;

use line::{HomeLine, Line};

/// How much later than now what is removed from a segment is stamped, in microseconds: whatever comes to it afterwards is
/// older, as a segment is sealed within a day. Servers take no stamp that is more than three days ahead.
const AHEAD_US: i64 = 2 * 24 * 60 * 60 * 1_000_000;
/// Rows of a home that one batch writes.
const HOME_BATCH: usize = 64;

/// All segments of a keyspace.
pub(super) struct CqlSegments {
    cql: Arc<Cql>,
    statements: SegmentStatements,
    clock: Clock,
}

/// The columns that name a segment's partition.
fn partition(segment: SegmentId) -> (Uuid, i8, i64) {
    let SegmentId { lane: LaneId { incarnation, lane }, segment } = segment;
    // A node has few lanes.
    (incarnation.0, lane as i8, bigint(segment))
}

fn segment((incarnation, lane, segment): (Uuid, i8, i64)) -> Result<SegmentId, Failure> {
    let lane = LaneId { incarnation: Incarnation(incarnation), lane: lane as u8 };
    Ok(SegmentId { lane, segment: count(segment)? })
}

fn count(stored: i64) -> Result<u64, Failure> {
    u64::try_from(stored).map_err(|_| unreadable(format!("a count of {stored}")))
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Unknown(format!("an answer of the store: {error}"))
}

/// How a segment stands, if the columns of a refusal say all of it.
fn state_of(columns: &Columns) -> Option<SegmentState> {
    let position = match columns.get("position")? {
        None => None,
        Some(CqlValue::BigInt(position)) => Some(u64::try_from(*position).ok()?),
        Some(_) => return None,
    };
    let sealed = match columns.get("sealed")? {
        None => false,
        Some(CqlValue::Boolean(sealed)) => *sealed,
        Some(_) => return None,
    };
    Some(SegmentState { position, sealed })
}

fn events(found: &QueryRowsResult) -> Result<Vec<StoredEvent>, Failure> {
    let mut events = Vec::with_capacity(found.rows_num());
    for row in found.rows::<(i64, Vec<u8>)>().map_err(unreadable)? {
        let (seq, body) = row.map_err(unreadable)?;
        events.push(StoredEvent { seq: Seq(count(seq)?), body });
    }
    Ok(events)
}

impl CqlSegments {
    pub(super) async fn prepare(cql: &Arc<Cql>, clock: Clock) -> Result<Self, OpenError> {
        let statements = SegmentStatements::prepare(cql).await?;
        Ok(Self { cql: Arc::clone(cql), statements, clock })
    }

    /// The stamp of what is removed from a segment for good.
    fn removal(&self) -> i64 {
        bigint(self.clock.now().as_ms()).saturating_mul(1_000).saturating_add(AHEAD_US)
    }

    /// What an answer says, asking the segment when a refusal does not say how it stands.
    async fn answered(
        &self,
        segment: SegmentId,
        (conditional, columns): (Conditional, Columns),
    ) -> Result<Answer, Failure> {
        if conditional == Conditional::Applied {
            return Ok(Answer::Applied);
        }
        if let Some(state) = state_of(&columns) {
            return Ok(Answer::Refused(state));
        }
        // It was refused all the same, so no failure of this read makes the statement's outcome unknown to the rules
        // in a harmful way: they repeat it.
        self.state(segment).await.map(Answer::Refused)
    }

    async fn change(
        &self,
        segment: SegmentId,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Answer, Failure> {
        let answer = self.cql.conditional_row(statement, values).await?;
        self.answered(segment, answer).await
    }

    async fn stored_head(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Option<StoredHead>, Failure> {
        let found = self.cql.read_once(statement, values).await?;
        let row = found.maybe_first_row::<(Option<i64>, Option<Vec<u8>>)>().map_err(unreadable)?;
        let Some((Some(last), Some(head))) = row else { return Ok(None) };
        Ok(Some(StoredHead { last: Seq(count(last)?), head }))
    }

    async fn events(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Vec<StoredEvent>, Failure> {
        events(&self.cql.read_once(statement, values).await?)
    }
}

#[async_trait]
impl Segments for CqlSegments {
    async fn open(&self, segment: SegmentId) -> Result<Answer, Failure> {
        self.change(segment, &self.statements.open, partition(segment)).await
    }

    async fn append(
        &self,
        segment: SegmentId,
        position: u64,
        groups: &[StoredGroup],
        attempt: u32,
    ) -> Result<Answer, Failure> {
        let mut batch = Batch::new(BatchType::Logged);
        let journal = journal::row(groups);
        let at = partition(segment);
        // The conditional statement comes first: the driver sends a batch where its first statement belongs.
        batch.append_statement(self.statements.append.prepared());
        let mut lines = vec![Line::Condition { at, position: bigint(position) }];
        let mut push = |statement: &Statement, line| {
            batch.append_statement(statement.prepared());
            lines.push(line);
        };
        let row = &self.statements.row;
        push(row, Line::Row { at, key: journal::KEY, seq: bigint(position), body: &journal });
        for StoredGroup { key, events, head } in groups {
            let key = ids(*key);
            for StoredEvent { seq, body } in events {
                push(row, Line::Row { at, key, seq: bigint(seq.0), body });
            }
            let last_seq = bigint(events.last().map_or(0, |event| event.seq.0));
            push(&self.statements.row_head, Line::Head { at, key, last_seq, body: head });
        }
        let answer = self.cql.conditional_batch(&self.statements.append, batch, &lines, attempt > 0).await?;
        self.answered(segment, answer).await
    }

    async fn seal(&self, segment: SegmentId, when: SealIf) -> Result<Answer, Failure> {
        let at @ (incarnation, lane, number) = partition(segment);
        match when {
            SealIf::AtPosition(position) => {
                let values = (incarnation, lane, number, bigint(position));
                self.change(segment, &self.statements.seal_at_position, values).await
            }
            SealIf::NotSealed => self.change(segment, &self.statements.seal, at).await,
            SealIf::NeverOpened => self.change(segment, &self.statements.seal_never_opened, at).await,
        }
    }

    async fn state(&self, segment: SegmentId) -> Result<SegmentState, Failure> {
        let found = self.cql.read_once(&self.statements.state, partition(segment)).await?;
        let row = found.maybe_first_row::<(Option<i64>, Option<bool>)>().map_err(unreadable)?;
        let (position, sealed) = row.unwrap_or_default();
        Ok(SegmentState { position: position.map(count).transpose()?, sealed: sealed.unwrap_or(false) })
    }

    async fn journal(
        &self,
        segment: SegmentId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<JournalEntry>)>, Failure> {
        let ((incarnation, lane, number), (workspace, conversation)) = (partition(segment), journal::KEY);
        let values = (incarnation, lane, number, workspace, conversation, bigint(from), rows(limit));
        let found = self.events(&self.statements.journal, values).await?;
        let entries = |row: StoredEvent| Ok((row.seq.0, journal::entries(&row.body).map_err(unreadable)?));
        found.into_iter().map(entries).collect()
    }

    async fn slice(
        &self,
        segment: SegmentId,
        key: ConversationKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let ((incarnation, lane, number), (workspace, conversation)) = (partition(segment), ids(key));
        let values = (incarnation, lane, number, workspace, conversation, bigint(after.0), rows(limit));
        self.events(&self.statements.slice, values).await
    }

    async fn slice_before(
        &self,
        segment: SegmentId,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let ((incarnation, lane, number), (workspace, conversation)) = (partition(segment), ids(key));
        let values = (incarnation, lane, number, workspace, conversation, bigint(before.0), rows(limit));
        self.events(&self.statements.slice_before, values).await
    }

    async fn head(&self, segment: SegmentId, key: ConversationKey) -> Result<Option<StoredHead>, Failure> {
        let ((incarnation, lane, number), (workspace, conversation)) = (partition(segment), ids(key));
        let values = (incarnation, lane, number, workspace, conversation);
        self.stored_head(&self.statements.head, values).await
    }

    async fn erase(&self, segment: SegmentId, key: ConversationKey) -> Result<(), Failure> {
        let ((incarnation, lane, number), (workspace, conversation)) = (partition(segment), ids(key));
        let values = (self.removal(), incarnation, lane, number, workspace, conversation);
        self.cql.write_once(&self.statements.erase, values).await
    }

    async fn point(&self, key: ConversationKey, segment: SegmentId) -> Result<(), Failure> {
        let ((workspace, conversation), (incarnation, lane, number)) = (ids(key), partition(segment));
        let values = (workspace, conversation, incarnation, lane, number);
        self.cql.write_once(&self.statements.point, values).await
    }

    async fn unpoint(&self, key: ConversationKey, segment: SegmentId) -> Result<(), Failure> {
        let ((workspace, conversation), (incarnation, lane, number)) = (ids(key), partition(segment));
        let values = (workspace, conversation, incarnation, lane, number);
        self.cql.write_once(&self.statements.unpoint, values).await
    }

    async fn pointers(&self, key: ConversationKey) -> Result<Vec<SegmentId>, Failure> {
        let found = self.cql.read_once(&self.statements.pointers, ids(key)).await?;
        let rows = found.rows::<(Uuid, i8, i64)>().map_err(unreadable)?;
        rows.map(|row| segment(row.map_err(unreadable)?)).collect()
    }

    async fn put_home(&self, group: &StoredGroup) -> Result<(), Failure> {
        let Some(last) = group.events.last().map(|event| event.seq) else { return Ok(()) };
        let key = ids(group.key);
        // The events first: a head at home says that all before it are there.
        for events in group.events.chunks(HOME_BATCH) {
            let mut batch = Batch::new(BatchType::Unlogged);
            let mut lines = Vec::with_capacity(events.len());
            for StoredEvent { seq, body } in events {
                batch.append_statement(self.statements.home_put.prepared());
                lines.push(HomeLine { key, seq: bigint(seq.0), body });
            }
            self.cql.write_batch(&self.statements.home_put, batch, &lines).await?;
        }
        let ((workspace, conversation), last) = (key, bigint(last.0));
        let values = (last, last, group.head.as_slice(), workspace, conversation);
        self.cql.write_once(&self.statements.home_put_head, values).await
    }

    async fn home_head(&self, key: ConversationKey) -> Result<Option<StoredHead>, Failure> {
        self.stored_head(&self.statements.home_head, ids(key)).await
    }

    async fn erase_home(&self, key: ConversationKey) -> Result<(), Failure> {
        self.cql.write_once(&self.statements.erase_home, ids(key)).await
    }

    async fn home(
        &self,
        key: ConversationKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let (workspace, conversation) = ids(key);
        let values = (workspace, conversation, bigint(after.0), rows(limit));
        self.events(&self.statements.home, values).await
    }

    async fn home_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let (workspace, conversation) = ids(key);
        let values = (workspace, conversation, bigint(before.0), rows(limit));
        self.events(&self.statements.home_before, values).await
    }

    async fn register(&self, registered: Registered) -> Result<(), Failure> {
        let (incarnation, lane, number) = partition(registered.segment);
        match registered.sealed_at_ms {
            None => self.cql.write_once(&self.statements.register, (incarnation, lane, number)).await?,
            Some(at_ms) => {
                let values = (incarnation, lane, number, bigint(at_ms));
                self.cql.write_once(&self.statements.register_sealed, values).await?;
            }
        }
        if registered.is_home {
            self.cql.write_once(&self.statements.register_home, (incarnation, lane, number)).await?;
        }
        Ok(())
    }

    async fn registered(&self, of: Option<Incarnation>) -> Result<Vec<Registered>, Failure> {
        let found = match of {
            Some(Incarnation(incarnation)) => {
                self.cql.read_once(&self.statements.registered_of, (incarnation,)).await?
            }
            None => self.cql.read_once(&self.statements.registered, ()).await?,
        };
        let mut registered = BTreeSet::new();
        for row in found.rows::<(Uuid, i8, i64, Option<i64>, Option<bool>)>().map_err(unreadable)? {
            let (incarnation, lane, number, sealed_at, is_home) = row.map_err(unreadable)?;
            let segment = segment((incarnation, lane, number))?;
            registered.insert((segment, sealed_at.map(count).transpose()?, is_home.unwrap_or(false)));
        }
        let registered = registered.into_iter();
        Ok(registered
            .map(|(segment, sealed_at_ms, is_home)| Registered { segment, sealed_at_ms, is_home })
            .collect())
    }

    async fn drop_segment(&self, segment: SegmentId) -> Result<(), Failure> {
        let (incarnation, lane, number) = partition(segment);
        let values = (self.removal(), incarnation, lane, number);
        self.cql.write_once(&self.statements.remove_rows, values).await?;
        self.cql.write_once(&self.statements.remove_position, values).await?;
        self.cql.write_once(&self.statements.unregister, (incarnation, lane, number)).await
    }
}
