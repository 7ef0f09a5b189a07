//! Heads, which lie in the static part of their logs, read marks beside them, and lists: pointers that are followed.
//!
//! A page is made of candidates in the list's order, and the head of each says whether it belongs there. So an outdated
//! pointer costs a read, and a list never shows a conversation whose head denies it.

use std::cmp::Reverse;

use async_trait::async_trait;
use domain::{AgentId, ConversationId, Head, Marks, Seq, State, TeamId, Timestamp, Unread, WorkspaceId};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use uuid::Uuid;

use crate::{
    Claim, ConversationKey, HeadFilter, HeadPosition, HeadView, Heads, ListedHead, LiveRow, StoreError,
    envelope,
};

use super::derived::{Derived, Gone, Stamp};
use super::pointers::{Pointed, SHARDS, shard};
use super::session::{Statement, unreadable};
use super::shared::Shared;
use super::value::{bigint, ids, number};

/// Heads that one call reads at once.
const AT_ONCE: usize = 32;
/// Candidates that are read at once, at least: a short page may need many.
const CANDIDATES_MIN: usize = 20;

/// A side's mark as it is kept beside the log, and the last event that its count knew.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    seq: Seq,
    unread: u32,
    of: Seq,
}

impl Mark {
    fn read(seq: Option<i64>, unread: Option<i32>, of: Option<i64>) -> Result<Self, StoreError> {
        Ok(Self {
            seq: Seq(number(seq.unwrap_or(0))?),
            unread: u32::try_from(unread.unwrap_or(0)).unwrap_or(0),
            of: Seq(number(of.unwrap_or(0))?),
        })
    }

    /// The side's mark and count together with those of a head of `last_seq`: the higher mark, and the count that knew more.
    fn over(self, last_seq: Seq, seq: Seq, unread: u32) -> (Seq, u32) {
        let knew_more = self.seq >= seq && self.of >= last_seq;
        (self.seq.max(seq), if knew_more { self.unread } else { unread })
    }
}

/// Where candidates of a list come from, newest first.
#[derive(Clone, Copy)]
enum Stream {
    OfVisitor(domain::VisitorId),
    EndedInTeam(TeamId),
    EndedWith(AgentId),
}

impl Shared {
    async fn marks(&self, key: ConversationKey) -> Result<[Mark; 2], StoreError> {
        type Columns = (Option<i64>, Option<i32>, Option<i64>, Option<i64>, Option<i32>, Option<i64>);
        let rows = self.cql.read(&self.heads.marks, ids(key)).await?;
        let row = rows.maybe_first_row::<Columns>().map_err(unreadable)?;
        let (visitor, visitor_unread, visitor_of, agent, agent_unread, agent_of) = row.unwrap_or_default();
        Ok([Mark::read(visitor, visitor_unread, visitor_of)?, Mark::read(agent, agent_unread, agent_of)?])
    }

    async fn stored_head(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        let rows = self.cql.read(&self.heads.head, ids(key)).await?;
        let row = rows.maybe_first_row::<(Option<&[u8]>,)>().map_err(unreadable)?;
        row.and_then(|(head,)| head).map(envelope::open).transpose()
    }

    async fn head(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        let (head, marks) = tokio::try_join!(self.stored_head(key), self.marks(key))?;
        let Some(head) = head else { return Ok(None) };
        let [visitor, agent] = marks;
        let (visitor, visitor_unread) = visitor.over(head.last_seq, head.read.visitor, head.unread.visitor);
        let (agent, agent_unread) = agent.over(head.last_seq, head.read.agent, head.unread.agent);
        let read = Marks { visitor, agent };
        let unread = Unread { visitor: visitor_unread, agent: agent_unread };
        Ok(Some(Head { read, unread, ..head }))
    }

    /// Heads of conversations, in the same order; none for those that are not there.
    async fn heads_of(
        &self,
        workspace: WorkspaceId,
        conversations: &[ConversationId],
    ) -> Result<Vec<Option<Head>>, StoreError> {
        let keys: Vec<ConversationKey> =
            conversations.iter().map(|&conversation| ConversationKey { workspace, conversation }).collect();
        iter(keys).map(|key| self.head(key)).buffered(AT_ONCE).try_collect().await
    }

    async fn candidates(
        &self,
        workspace: WorkspaceId,
        stream: Stream,
        after: Pointed,
        limit: usize,
    ) -> Result<Vec<Pointed>, StoreError> {
        match stream {
            Stream::OfVisitor(visitor) => self.of_visitor(workspace, visitor, after, limit).await,
            Stream::EndedInTeam(team) => self.ended_of(workspace, (true, team.uuid()), after, limit).await,
            Stream::EndedWith(agent) => self.ended_of(workspace, (false, agent.uuid()), after, limit).await,
        }
    }

    /// The next candidates of several streams together, newest first, at least one unless none is left; and whether
    /// there may be more.
    async fn merged(
        &self,
        workspace: WorkspaceId,
        streams: &[Stream],
        after: Pointed,
        limit: usize,
    ) -> Result<(Vec<Pointed>, bool), StoreError> {
        let parts: Vec<Vec<Pointed>> = iter(streams.to_vec())
            .map(|stream| self.candidates(workspace, stream, after, limit))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        // Behind the last of a part that may go on, another part may be ahead of it.
        let full = parts.iter().filter(|part| part.len() >= limit).filter_map(|part| part.last()).copied();
        let known_to = full.max_by_key(newest_first_last);
        let mut merged = parts.concat();
        if let Some(last) = known_to {
            merged.retain(|pointed| newest_first_last(pointed) >= newest_first_last(&last));
        }
        merged.sort_by_key(|pointed| Reverse(newest_first_last(pointed)));
        // What ended is under a team and under an agent.
        merged.dedup();
        Ok((merged, known_to.is_some()))
    }

    /// A page of a list that has pointers in its order.
    async fn page_by_time(&self, page: &Page<'_>, streams: &[Stream]) -> Result<Vec<ListedHead>, StoreError> {
        let mut after = page.after.map_or(Pointed::NEWEST, Pointed::from);
        let mut listed = Vec::new();
        loop {
            let wanted = (page.limit - listed.len()).max(CANDIDATES_MIN);
            let (candidates, more) = self.merged(page.workspace, streams, after, wanted).await?;
            // A pointer of before a reopening has another time than the head.
            self.follow(page, &candidates, true, &mut listed).await?;
            match candidates.last() {
                Some(last) if more && listed.len() < page.limit => after = *last,
                Some(_) | None => return Ok(listed),
            }
        }
    }

    /// Asks the candidates, in their order, until the page is full.
    async fn follow(
        &self,
        page: &Page<'_>,
        candidates: &[Pointed],
        exactly: bool,
        listed: &mut Vec<ListedHead>,
    ) -> Result<(), StoreError> {
        for chunk in candidates.chunks(page.limit.clamp(1, AT_ONCE)) {
            if listed.len() >= page.limit {
                return Ok(());
            }
            let ids: Vec<ConversationId> = chunk.iter().map(|pointed| pointed.conversation).collect();
            let heads = self.heads_of(page.workspace, &ids).await?;
            for (pointed, head) in chunk.iter().zip(heads) {
                let Some(head) = head else { continue };
                let belongs = match page.view.time_of(&head) {
                    Some(at) => at == pointed.at || !exactly,
                    None => false,
                };
                if belongs && page.filter.passes(&head) && listed.len() < page.limit {
                    listed.push(pointed.listed(head));
                }
            }
        }
        Ok(())
    }

    /// A page of what is not ended, of these teams, or of all.
    async fn page_of_live(
        &self,
        page: &Page<'_>,
        teams: Option<&[TeamId]>,
        queued: bool,
    ) -> Result<Vec<ListedHead>, StoreError> {
        let filter = page.filter;
        let mut candidates: Vec<Pointed> = Vec::new();
        for live in self.live_of(page.workspace).await? {
            let pointer = live.pointer;
            let of_team = teams.is_none_or(|teams| teams.contains(&pointer.team))
                && filter.team.is_none_or(|team| team == pointer.team);
            let of_agent = filter.assignee.is_none_or(|agent| Some(agent) == pointer.assignee);
            let in_state = !queued || pointer.state == State::Queued;
            if of_team && of_agent && in_state {
                let at = if queued { pointer.queued_at } else { pointer.last_event_at };
                candidates.push(Pointed { at, conversation: live.conversation });
            }
        }
        if queued {
            candidates.sort_by_key(newest_first_last);
        } else {
            candidates.sort_by_key(|pointed| Reverse(newest_first_last(pointed)));
        }
        if let Some(after) = page.after.map(Pointed::from) {
            let (place, after) = (newest_first_last, newest_first_last(&after));
            candidates.retain(|pointed| if queued { place(pointed) > after } else { place(pointed) < after });
        }
        let mut listed = Vec::new();
        self.follow(page, &candidates, false, &mut listed).await?;
        Ok(listed)
    }

    /// A page of what an agent holds: few, so all are asked and then put in order.
    async fn page_of_held(&self, page: &Page<'_>, agent: AgentId) -> Result<Vec<ListedHead>, StoreError> {
        let held = self.held_of(page.workspace, agent).await?;
        let ids: Vec<ConversationId> = held.iter().map(|(conversation, _)| *conversation).collect();
        let heads = self.heads_of(page.workspace, &ids).await?;
        let mut listed = Vec::new();
        for ((conversation, stamp), head) in held.into_iter().zip(heads) {
            let key = ConversationKey { workspace: page.workspace, conversation };
            let Some(head) = head else { continue };
            match page.view.time_of(&head) {
                Some(at) if page.filter.passes(&head) => {
                    listed.push(Pointed { at, conversation }.listed(head))
                }
                Some(_) => {}
                // Another agent got it, and the append that says so names only the new holder. A newer row stays, and so
                // does a row that was put for an append which is still on its way.
                None if stamp.seq() <= head.last_seq => self.remove(key, &Gone::Held(agent), stamp).await?,
                None => {}
            }
        }
        let place = |row: &ListedHead| newest_first_last(&Pointed::from(row.position));
        listed.sort_by_key(|row| Reverse(place(row)));
        if let Some(after) = page.after.map(Pointed::from) {
            listed.retain(|row| place(row) < newest_first_last(&after));
        }
        listed.truncate(page.limit);
        Ok(listed)
    }
}

/// The order of a list, from the oldest to the newest; of one time, from the least id to the greatest.
fn newest_first_last(pointed: &Pointed) -> (Timestamp, Uuid) {
    (pointed.at, pointed.conversation.uuid())
}

impl Pointed {
    fn listed(self, head: Head) -> ListedHead {
        let Self { at, conversation } = self;
        ListedHead { conversation, head, position: HeadPosition { at, conversation } }
    }
}

/// What a list is asked for.
struct Page<'a> {
    workspace: WorkspaceId,
    view: &'a HeadView,
    filter: &'a HeadFilter,
    after: Option<HeadPosition>,
    limit: usize,
}

#[async_trait]
impl Heads for Shared {
    async fn get(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        self.head(key).await
    }

    async fn mark(
        &self,
        key: ConversationKey,
        marks: Marks,
        unread: Unread,
        as_of: Seq,
    ) -> Result<(), StoreError> {
        let (workspace, conversation) = ids(key);
        let side = async |statement: &Statement, mark: Seq, unread: u32| {
            if mark == Seq::ZERO {
                return Ok(());
            }
            let (mark, unread) = (bigint(mark.0), i32::try_from(unread).unwrap_or(i32::MAX));
            // The mark is its own time stamp: a lower one never wins.
            let values = (mark, mark, unread, bigint(as_of.0), workspace, conversation);
            self.cql.write(statement, values).await
        };
        tokio::try_join!(
            side(&self.heads.mark_visitor, marks.visitor, unread.visitor),
            side(&self.heads.mark_agent, marks.agent, unread.agent),
        )
        .map(drop)
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        view: &HeadView,
        filter: &HeadFilter,
        after: Option<HeadPosition>,
        limit: usize,
    ) -> Result<Vec<ListedHead>, StoreError> {
        let page = Page { workspace, view, filter, after, limit };
        if limit == 0 {
            return Ok(Vec::new());
        }
        match view {
            HeadView::OfVisitor(visitor) => self.page_by_time(&page, &[Stream::OfVisitor(*visitor)]).await,
            HeadView::HeldBy(agent) => self.page_of_held(&page, *agent).await,
            HeadView::Open(teams) => self.page_of_live(&page, teams.as_deref(), false).await,
            HeadView::Queue(teams) => self.page_of_live(&page, teams.as_deref(), true).await,
            HeadView::Ended(None) => {
                let teams = match filter.team {
                    Some(only) => vec![only],
                    None => self.teams_with_ended(workspace).await?,
                };
                let streams: Vec<Stream> = teams.into_iter().map(Stream::EndedInTeam).collect();
                self.page_by_time(&page, &streams).await
            }
            HeadView::Ended(Some((teams, agent))) => {
                let in_teams = teams.iter().copied().map(Stream::EndedInTeam);
                let streams: Vec<Stream> = in_teams.chain([Stream::EndedWith(*agent)]).collect();
                self.page_by_time(&page, &streams).await
            }
        }
    }

    async fn live(&self, after: Option<ConversationKey>, limit: usize) -> Result<Vec<LiveRow>, StoreError> {
        let mut rows = Vec::new();
        let first = after.map_or(0, |after| shard(after.conversation));
        for number in first..SHARDS {
            let wanted = limit - rows.len();
            if wanted == 0 {
                break;
            }
            let after = after.filter(|_| number == first);
            rows.extend(self.live_page(number, after, wanted).await?);
        }
        Ok(rows)
    }

    async fn restore(&self, claim: &Claim, head: &Head) -> Result<(), StoreError> {
        let derived = Derived::restored(head);
        self.put_all(claim.key, &derived.beside, Stamp::put(claim.epoch, head.last_seq)).await?;
        self.tell_again(claim.key, head.last_seq).await?;
        self.remove_all(claim.key, &derived, Stamp::removal(claim.epoch, head.last_seq)).await
    }

    async fn remove_ghost(&self, key: ConversationKey) -> Result<(), StoreError> {
        if let Some(epoch) = self.seal_missing(key).await? {
            self.remove(key, &Gone::Live, Stamp::removal(epoch, Seq::ZERO)).await?;
        }
        Ok(())
    }
}
