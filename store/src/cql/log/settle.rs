//! Claims, creates and appends: each statement is repeated until its outcome is known.

use domain::Seq;
use scylla::statement::batch::{Batch, BatchType};
use uuid::Uuid;

use crate::{Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, Epoch, Owner, StoreError};

use super::super::outcome::{Conditional, Failure, Settled};
use super::super::session::{Statement, Tries, unreadable};
use super::super::shared::Shared;
use super::super::value::{bigint, ids, number};
use super::row::{Group, Line, Static};

/// How often a claim that is not answered is tried, counting the first: more often than a write, since nothing can be
/// done with a conversation before.
const CLAIMS_MAX: u32 = 6;

impl Shared {
    pub(super) async fn statics(&self, key: ConversationKey) -> Result<Option<Static>, StoreError> {
        let rows = self.cql.read(&self.log.peek, ids(key)).await?;
        let row = rows.maybe_first_row::<(Option<i64>, Option<Uuid>, Option<String>, Option<i64>)>();
        let Some((epoch, Some(token), owner, last_seq)) = row.map_err(unreadable)? else { return Ok(None) };
        Ok(Some(Static {
            epoch: Epoch(number(epoch.unwrap_or(0))?),
            token,
            owner: Owner(owner.unwrap_or_default()),
            last_seq: Seq(number(last_seq.unwrap_or(0))?),
        }))
    }

    /// One batch: the conditional line and the group's events, repeated until its outcome is known.
    async fn write_group(
        &self,
        statement: &Statement,
        first: Line<'_>,
        key: ConversationKey,
        group: &Group,
    ) -> Result<Settled, Failure> {
        let mut batch = Batch::new(BatchType::Logged);
        // The conditional statement comes first: the driver sends a batch where its first statement belongs.
        batch.append_statement(statement.prepared());
        let mut lines = Vec::with_capacity(1 + group.bodies.len());
        lines.push(first);
        for (seq, body) in (group.tail.0 + 1..).zip(&group.bodies) {
            batch.append_statement(self.log.event.prepared());
            lines.push(Line::Event { key, seq: bigint(seq), body });
        }
        self.cql.settle_batch(statement, batch, &lines).await
    }

    /// Claims what `stored` shows, with a fresh token.
    async fn try_claim(
        &self,
        key: ConversationKey,
        owner: &str,
        stored: &Static,
        fresh: Uuid,
    ) -> Result<Conditional, Failure> {
        let (workspace, conversation) = ids(key);
        let epoch = bigint(stored.epoch.0 + 1);
        let values = (epoch, fresh, owner, workspace, conversation, stored.token);
        self.cql.conditional(&self.log.claim, values).await
    }

    /// Claims the log, or a sealed one when `sealed`; `expected`: only if that is the stored token.
    pub(super) async fn take(
        &self,
        key: ConversationKey,
        owner: &Owner,
        expected: Option<ClaimToken>,
        sealed: bool,
    ) -> Result<Claim, ClaimError> {
        // Tokens whose claim was not answered: the one that is stored, if any, is mine.
        let mut tried: Vec<Uuid> = Vec::new();
        let mut base: Option<Uuid> = None;
        let mut tries = Tries::up_to(CLAIMS_MAX);
        loop {
            let Some(stored) = self.statics(key).await? else { return Err(ClaimError::Missing) };
            if tried.contains(&stored.token) {
                // Looked at after the claim, so nothing of an older token comes after it.
                let (token, epoch, last_seq) = (ClaimToken(stored.token), stored.epoch, stored.last_seq);
                return Ok(Claim { key, token, epoch, last_seq });
            }
            if stored.is_sealed() != sealed {
                return Err(ClaimError::Missing);
            }
            let expected = expected.map(|token| token.0).or(base);
            if expected.is_some_and(|expected| expected != stored.token) {
                return Err(ClaimError::Lost);
            }
            base = Some(stored.token);
            let fresh = Uuid::new_v4();
            let tried_it = self.try_claim(key, &owner.0, &stored, fresh).await;
            tried.push(fresh);
            match tried_it {
                // The next look at the log finds the tail.
                Ok(Conditional::Applied) => {}
                // Somebody else, or what I tried before and was not answered.
                Ok(Conditional::Refused) if tried.len() == 1 => return Err(ClaimError::Lost),
                Ok(Conditional::Refused) => {}
                Err(failure) => {
                    if !tries.again(&self.log.claim).await {
                        return Err(failure.into_error().into());
                    }
                }
            }
        }
    }

    /// Appends, and repeats the statement until its outcome is known.
    pub(super) async fn settle_append(&self, claim: &Claim, group: &Group) -> Result<Append, StoreError> {
        let line = Line::Append {
            last_seq: bigint(group.last_seq().0),
            head: &group.head,
            key: claim.key,
            token: claim.token.0,
            tail: bigint(group.tail.0),
        };
        match self.write_group(&self.log.append, line, claim.key, group).await {
            Ok(Settled::Applied) => Ok(Append::Applied),
            Ok(Settled::Refused) => {
                let stored = self.claimed(claim.key).await?;
                Ok(Append::Fenced { epoch: stored.epoch, owner: stored.owner })
            }
            // It may be this append that is in the way.
            Ok(Settled::Perhaps) => {
                let is_written = self
                    .claimed(claim.key)
                    .await
                    .is_ok_and(|stored| stored.token == claim.token.0 && stored.last_seq >= group.last_seq());
                Ok(if is_written { Append::Applied } else { Append::Unknown })
            }
            Err(Failure::NotSent(cause)) => Err(StoreError::Unavailable(cause)),
            Err(Failure::Unknown(_)) => Ok(Append::Unknown),
        }
    }

    async fn claimed(&self, key: ConversationKey) -> Result<Static, StoreError> {
        let stored = self.statics(key).await?;
        stored.ok_or_else(|| StoreError::Corrupt("a claimed log is not there".into()))
    }

    /// Makes a log where there is none, and repeats the statement until its outcome is known.
    pub(super) async fn settle_create(
        &self,
        key: ConversationKey,
        owner: &Owner,
        group: &Group,
    ) -> Result<Created, StoreError> {
        let token = Uuid::new_v4();
        let last_seq = group.last_seq();
        let line =
            Line::Create { token, owner: &owner.0, last_seq: bigint(last_seq.0), head: &group.head, key };
        let made = Claim { key, token: ClaimToken(token), epoch: Epoch(1), last_seq };
        match self.write_group(&self.log.create, line, key, group).await {
            Ok(Settled::Applied) => Ok(Created::New(made)),
            Ok(refused) => match self.statics(key).await {
                Ok(Some(stored)) if stored.token == token => Ok(Created::New(made)),
                Ok(Some(stored)) if stored.is_sealed() => self.create_in_sealed(key, owner, group).await,
                // It may be this log, already claimed by another node; then that node answers for it.
                Ok(Some(_)) => Ok(Created::Exists),
                Ok(None) => Ok(Created::Unknown),
                Err(error) if refused == Settled::Refused => Err(error),
                Err(_) => Ok(Created::Unknown),
            },
            Err(Failure::NotSent(cause)) => Err(StoreError::Unavailable(cause)),
            Err(Failure::Unknown(_)) => Ok(Created::Unknown),
        }
    }

    /// A log that a sweep sealed, because there was none, is made after all: by its next owner's first append.
    async fn create_in_sealed(
        &self,
        key: ConversationKey,
        owner: &Owner,
        group: &Group,
    ) -> Result<Created, StoreError> {
        let claim = match self.take(key, owner, None, true).await {
            Ok(claim) => claim,
            Err(ClaimError::Missing | ClaimError::Lost) => return Ok(Created::Exists),
            Err(ClaimError::Store(error)) => return Err(error),
        };
        match self.settle_append(&claim, group).await? {
            Append::Applied => Ok(Created::New(Claim { last_seq: group.last_seq(), ..claim })),
            Append::Fenced { .. } => Ok(Created::Exists),
            Append::Unknown => Ok(Created::Unknown),
        }
    }

    /// Where there is no log, sees to it that no create which is still on its way makes one unseen. Says the epoch of a
    /// log that is sealed; none: there is a log, or it is not known.
    pub(in super::super) async fn seal_missing(
        &self,
        key: ConversationKey,
    ) -> Result<Option<Epoch>, StoreError> {
        let (workspace, conversation) = ids(key);
        if self.statics(key).await?.is_none() {
            let values = (Uuid::new_v4(), workspace, conversation);
            // Its outcome does not matter: the look after it finds what is true.
            let _ = self.cql.conditional(&self.log.seal, values).await;
        }
        let stored = self.statics(key).await?;
        Ok(stored.filter(Static::is_sealed).map(|stored| stored.epoch))
    }
}
