//! Conversations' logs: one partition each, written by conditional statements alone.
//!
//! A statement that was not answered may yet be done, by a server that was frozen and wakes up. So nothing is concluded
//! from what a read does not find: an append is repeated as it was, and a claim is tried anew with another token. A call
//! that gives up answers "unknown", and the next claim and the read after it find out what is true.

use async_trait::async_trait;
use domain::{Event, Head, Seq};

use crate::log::dense;
use crate::{
    Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, Epoch, EventLog, Owner, PAGE_MAX, Peek,
    StoreError, envelope,
};

use super::derived::{Derived, Pointer, Stamp};
use super::outcome::{Conditional, Failure};
use super::session::{Statement, unreadable};
use super::shared::Shared;
use super::value::{bigint, ids, rows};

mod row;
mod settle;

use row::Group;

impl Shared {
    /// Puts pointers, all at once.
    pub(super) async fn put_all(
        &self,
        key: ConversationKey,
        pointers: &[Pointer],
        stamp: Stamp,
    ) -> Result<(), StoreError> {
        let puts = pointers.iter().map(|pointer| self.put(key, pointer, stamp));
        futures_util::future::try_join_all(puts).await.map(drop)
    }

    /// Removes the pointers that go after an append.
    pub(super) async fn remove_all(
        &self,
        key: ConversationKey,
        derived: &Derived,
        stamp: Stamp,
    ) -> Result<(), StoreError> {
        // One after the other: the live index is left last.
        for gone in &derived.after {
            self.remove(key, gone, stamp).await?;
        }
        Ok(())
    }

    /// Ends an append behind `tail`, when all pointers to its outcome stand: writes its row of the feed, then removes the
    /// pointers that are outdated.
    async fn conclude(
        &self,
        key: ConversationKey,
        tail: Seq,
        head: &Head,
        derived: &Derived,
        removal: Stamp,
    ) -> Result<(), StoreError> {
        self.tell(key, tail.next(), head.last_seq, head.last_event_at).await?;
        self.remove_all(key, derived, removal).await
    }

    async fn events(
        &self,
        statement: &Statement,
        key: ConversationKey,
        place: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let limit = limit.min(PAGE_MAX);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (workspace, conversation) = ids(key);
        let values = (workspace, conversation, bigint(place.0), rows(limit));
        let found = self.cql.read(statement, values).await?;
        let mut events = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(&[u8],)>().map_err(unreadable)? {
            events.push(envelope::open(row.map_err(unreadable)?.0)?);
        }
        Ok(events)
    }
}

#[async_trait]
impl EventLog for Shared {
    async fn create(
        &self,
        key: ConversationKey,
        owner: &Owner,
        events: &[Event],
        head: &Head,
    ) -> Result<Created, StoreError> {
        let group = Group::of(Seq::ZERO, events, head);
        let derived = Derived::of(events, head);
        let first = Epoch(1);
        self.put_all(key, &derived.before, Stamp::put(first, head.last_seq)).await?;
        let created = self.settle_create(key, owner, &group).await?;
        let Created::New(claim) = &created else { return Ok(created) };
        let (put, removal) =
            (Stamp::put(claim.epoch, head.last_seq), Stamp::removal(claim.epoch, head.last_seq));
        let follow_up = async {
            if claim.epoch > first {
                // The sweep that sealed the log removed the pointers that were put before.
                self.put_all(key, &derived.before, put).await?;
            }
            self.put_all(key, &derived.beside, put).await?;
            self.conclude(key, Seq::ZERO, head, &derived, removal).await
        };
        // The log is made, but not every pointer that follows from it: the next claim makes up for that.
        Ok(if follow_up.await.is_ok() { created } else { Created::Unknown })
    }

    async fn peek(&self, key: ConversationKey) -> Result<Option<Peek>, StoreError> {
        let stored = self.statics(key).await?.filter(|stored| !stored.is_sealed());
        Ok(stored.map(|stored| Peek { epoch: stored.epoch, owner: stored.owner, last_seq: stored.last_seq }))
    }

    async fn claim(
        &self,
        key: ConversationKey,
        owner: &Owner,
        expected: Option<ClaimToken>,
    ) -> Result<Claim, ClaimError> {
        self.take(key, owner, expected, false).await
    }

    async fn append(
        &self,
        claim: &Claim,
        tail: Seq,
        events: &[Event],
        head: &Head,
    ) -> Result<Append, StoreError> {
        let group = Group::of(tail, events, head);
        let derived = Derived::of(events, head);
        let (put, removal) =
            (Stamp::put(claim.epoch, head.last_seq), Stamp::removal(claim.epoch, head.last_seq));
        self.put_all(claim.key, &derived.before, put).await?;
        let (appended, stands) =
            tokio::join!(self.settle_append(claim, &group), self.put_all(claim.key, &derived.beside, put));
        let appended = appended?;
        if appended != Append::Applied {
            return Ok(appended);
        }
        let follow_up = async {
            stands?;
            self.conclude(claim.key, tail, head, &derived, removal).await
        };
        // The events are durable, and not all that follows from them: the next claim makes up for that.
        Ok(if follow_up.await.is_ok() { Append::Applied } else { Append::Unknown })
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let events = self.events(&self.log.read, key, after, limit).await?;
        dense(events, Some(after.next()))
    }

    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let mut events = self.events(&self.log.read_before, key, before, limit).await?;
        events.reverse();
        dense(events, None)
    }

    async fn passivate(&self, claim: Claim) -> Result<(), StoreError> {
        let (workspace, conversation) = ids(claim.key);
        let values = (workspace, conversation, claim.token.0);
        let passivated = self.cql.conditional(&self.log.passivate, values).await;
        // Refused: another node owns the log, and passivates it when the time comes.
        passivated.map(|_: Conditional| ()).map_err(Failure::into_error)
    }
}
