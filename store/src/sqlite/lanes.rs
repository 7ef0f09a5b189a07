//! Lanes in SQLite: all boots write through the one writer, in one transaction with others. A group is refused in that
//! transaction when its boot is sealed.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Head, Seq};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::log::check_group;
use crate::{Append, ConversationKey, Group, Incarnation, Lanes, LanesEnd, StoreError};

use super::boots::Boot;
use super::fault::Fault;
use super::row::{EventRows, HeadColumns, QuietHead, Stored};
use super::shared::Shared;
use super::writer::{Unwritten, WRITE_BYTES};

/// The lanes of one boot. They keep the store open.
pub(super) struct SqliteLanes {
    incarnation: Incarnation,
    boot: Arc<Boot>,
    shared: Arc<Shared>,
}

impl SqliteLanes {
    pub(super) fn new(shared: Arc<Shared>, incarnation: Incarnation) -> Self {
        Self { incarnation, boot: shared.boots.get(incarnation), shared }
    }
}

/// Seals a boot behind all that was given to the writer before.
pub(super) async fn seal(shared: &Shared, boot: &Arc<Boot>) -> Result<(), StoreError> {
    let sealed = Arc::clone(boot);
    let work = move |_: &Connection| {
        sealed.seal();
        Ok(())
    };
    match shared.writer.write(WRITE_BYTES, work).await {
        Ok(()) => Ok(()),
        // Nothing is written any more, by any boot.
        Err(_) if shared.writer.has_failed() => {
            boot.seal();
            Ok(())
        }
        Err(unwritten) => Err(unwritten.into_error()),
    }
}

/// How a group changes the rows of its conversation.
enum Step {
    /// A message in a conversation whose row is known: it looks for nothing.
    Quiet { row: i64, head: QuietHead },
    /// Anything else.
    Whole(HeadColumns),
}

/// What a group came to, inside a transaction that goes on.
enum Written {
    /// All of it, with the conversation's row.
    Applied(i64),
    /// Nothing: the boot is sealed.
    Fenced,
    /// Nothing: the log does not end where the group begins.
    Elsewhere,
}

impl Step {
    fn of(row: Option<i64>, before: Option<&Head>, head: &Head) -> Self {
        let quiet = before.and_then(|before| QuietHead::of(before, head));
        match (row, quiet) {
            (Some(row), Some(head)) => Step::Quiet { row, head },
            _ => Step::Whole(HeadColumns::of(head)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Step::Quiet { .. } => size_of::<Self>(),
            Step::Whole(columns) => columns.bytes(),
        }
    }

    /// Moves the conversation on from `tail`, or makes it.
    fn write(&self, connection: &Connection, key: ConversationKey, tail: Seq) -> Result<Written, Fault> {
        let columns = match self {
            Step::Quiet { row, head } => {
                let moved = head.update(connection, *row, tail)?;
                return Ok(if moved { Written::Applied(*row) } else { Written::Elsewhere });
            }
            Step::Whole(columns) => columns,
        };
        match Stored::find(connection, key)? {
            None if tail == Seq::ZERO => Ok(Written::Applied(columns.insert(connection, key)?)),
            Some(stored) if stored.last_seq == tail => {
                columns.update(connection, &stored)?;
                Ok(Written::Applied(stored.key))
            }
            None | Some(_) => Ok(Written::Elsewhere),
        }
    }
}

/// Waits until it is true; for ever when its sender, which has nothing more to say, goes with the store.
async fn turned(mut watched: watch::Receiver<bool>) {
    if watched.wait_for(|turned| *turned).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Lanes for SqliteLanes {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    async fn append(&self, group: Group<'_>) -> Result<Append, StoreError> {
        check_group(&group);
        let Group { key, before, events, head, .. } = group;
        let shared = &*self.shared;
        let on_its_way = shared.in_flight.begin(key).await;
        if self.boot.is_closed() {
            return Ok(Append::Fenced);
        }
        let tail = before.map_or(Seq::ZERO, |before| before.last_seq);
        let (rows, step) = (EventRows::of(tail, events), Step::of(shared.rows.get(key), before, head));
        let bytes = WRITE_BYTES + rows.bytes() + step.bytes();
        let boot = Arc::clone(&self.boot);
        let work = move |connection: &Connection| {
            let _on_its_way = &on_its_way;
            if boot.is_sealed() {
                return Ok(Written::Fenced);
            }
            let written = step.write(connection, key, tail)?;
            if let Written::Applied(row) = written {
                rows.insert(connection, row)?;
            }
            Ok(written)
        };
        match shared.writer.write(bytes, work).await {
            Ok(Written::Applied(row)) => {
                shared.rows.remember(key, row);
                shared.writer.count_events(events.len());
                Ok(Append::Applied)
            }
            Ok(Written::Fenced) => Ok(Append::Fenced),
            Ok(Written::Elsewhere) => {
                panic!("the one writer of {key:?} appends after {tail:?}, where its log does not end")
            }
            Err(Unwritten::Unknown) => Ok(Append::Unknown),
            Err(Unwritten::Nothing(error)) => Err(error),
        }
    }

    async fn settled(&self, key: ConversationKey) {
        self.shared.in_flight.settled(key).await;
    }

    async fn confirm(&self) -> Result<bool, StoreError> {
        Ok(!self.boot.is_sealed() && !self.shared.writer.has_failed())
    }

    async fn ended(&self) -> LanesEnd {
        let end = tokio::select! {
            () = turned(self.boot.sealed()) => LanesEnd::Sealed,
            () = turned(self.shared.writer.failed()) => LanesEnd::Failed,
        };
        if self.boot.is_closed() { std::future::pending().await } else { end }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.boot.close();
        seal(&self.shared, &self.boot).await
    }
}
