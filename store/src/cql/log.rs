//! Conversations' logs: one partition each, written by conditional statements alone.
//!
//! A statement that was not answered may yet be done, by a server that was frozen and wakes up. So nothing is concluded
//! from what a read does not find: an append is repeated as it was, a claim is tried anew with another token, and who
//! gives up says so; what is true then is found out by the next claim and the read after it.

use async_trait::async_trait;
use domain::{Event, Head, Seq};

use crate::log::dense;
use crate::{
    Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, Epoch, EventLog, Owner, PAGE_MAX, Peek,
    StoreError, envelope,
};

use super::Shared;
use super::derived::{Derived, Pointer, Stamp};
use super::outcome::{Conditional, Failure};
use super::session::{Statement, unreadable};
use super::value::{bigint, rows};

mod settle;
mod statements;

use statements::Group;
pub(super) use statements::{LogStatements, ids};

impl Shared {
    /// Puts all at once what must stand, whatever comes of it.
    pub(super) async fn put_all(
        &self,
        key: ConversationKey,
        pointers: &[Pointer],
        stamp: Stamp,
    ) -> Result<(), StoreError> {
        let puts = pointers.iter().map(|pointer| self.put(key, pointer, stamp));
        futures_util::future::try_join_all(puts).await.map(drop)
    }

    /// After an append: what goes.
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

    /// After an append behind `tail`, when all that leads to it stands: tells the feed, then what led there goes.
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
                // Whoever sealed it removed what was put before.
                self.put_all(key, &derived.before, put).await?;
            }
            self.put_all(key, &derived.beside, put).await?;
            self.conclude(key, Seq::ZERO, head, &derived, removal).await
        };
        // It is made, and not all that follows from it: whoever claims it next makes up for that.
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
        // Refused: somebody else has it, and says so himself.
        passivated.map(|_: Conditional| ()).map_err(Failure::into_error)
    }
}
