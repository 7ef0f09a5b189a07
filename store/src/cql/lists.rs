//! Lists: rows that are followed. A page is made of candidates in the order of their rows, and the head of each says whether
//! it belongs there and where. So an outdated row costs a read, and a list never shows a conversation whose head denies it.
//! A row that is over goes when it is met.

use std::cmp::Reverse;
use std::collections::HashSet;

use domain::{AgentId, ConversationId, Head, TeamId, Timestamp, WorkspaceId};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use uuid::Uuid;

use crate::{ConversationKey, HeadFilter, HeadPosition, HeadView, ListedHead, StoreError};

use super::derived::{STEP_MS, moment, rows};
use super::known_heads::AT_ONCE;
use super::rows::{Candidate, Place, Stream};
use super::shared::Shared;

/// Candidates that are read at once, at least: a short page may need many.
const CANDIDATES_MIN: usize = 20;
/// Streams that are read at once.
const STREAMS_AT_ONCE: usize = 32;

/// What a list is asked for.
pub(super) struct Page<'a> {
    pub(super) workspace: WorkspaceId,
    pub(super) view: &'a HeadView,
    pub(super) filter: &'a HeadFilter,
    pub(super) after: Option<HeadPosition>,
    pub(super) limit: usize,
}

/// How a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Oldest,
    Newest,
    /// Newest first, and a head's time is later than its row's by less than a step.
    NewestStep,
}

impl Order {
    /// Before all rows.
    fn start(self) -> Place {
        match self {
            Order::Oldest => (Timestamp::from_ms(0), Uuid::nil()),
            Order::Newest | Order::NewestStep => (Timestamp::from_ms(i64::MAX as u64), Uuid::max()),
        }
    }

    /// Before all rows whose heads may stand behind `after`.
    fn place(self, after: Option<HeadPosition>) -> Place {
        let Some(HeadPosition { at, conversation }) = after else { return self.start() };
        match self {
            Order::Oldest | Order::Newest => (at, conversation.uuid()),
            Order::NewestStep => (moment(at), Uuid::max()),
        }
    }

    /// Whether the first comes before the second.
    fn is_before(self, first: Place, second: Place) -> bool {
        match self {
            Order::Oldest => first < second,
            Order::Newest | Order::NewestStep => first > second,
        }
    }

    fn sort<T>(self, items: &mut [T], place: impl Fn(&T) -> Place) {
        match self {
            Order::Oldest => items.sort_by_key(place),
            Order::Newest | Order::NewestStep => items.sort_by_key(|item| Reverse(place(item))),
        }
    }

    /// Whether a head at `at` comes before the heads of all rows behind a row of the time `read`.
    fn is_settled(self, at: Timestamp, read: Timestamp) -> bool {
        match self {
            Order::Oldest | Order::Newest => true,
            Order::NewestStep => at.as_ms() >= read.as_ms() + STEP_MS,
        }
    }
}

fn place_of(row: &ListedHead) -> Place {
    (row.position.at, row.position.conversation.uuid())
}

impl Shared {
    pub(super) async fn list_page(&self, page: &Page<'_>) -> Result<Vec<ListedHead>, StoreError> {
        if page.limit == 0 {
            return Ok(Vec::new());
        }
        self.known_heads.sweep();
        let newest = async |streams: Vec<Stream>| self.page_of(page, &streams, Order::Newest).await;
        match (page.view, page.filter.assignee) {
            (HeadView::OfVisitor(visitor), _) => newest(vec![Stream::OfVisitor(*visitor)]).await,
            (HeadView::HeldBy(agent), _) => self.page_of_held(page, *agent).await,
            // Of what is not ended an agent has what they hold.
            (HeadView::Open(_), Some(agent)) => self.page_of_held(page, agent).await,
            (HeadView::Open(teams), None) => {
                let streams = self.of_teams(page, teams.as_deref(), Stream::Open).await?;
                self.page_of(page, &streams, Order::NewestStep).await
            }
            (HeadView::Queue(teams), _) => {
                let streams = self.of_teams(page, teams.as_deref(), Stream::Waiting).await?;
                self.page_of(page, &streams, Order::Oldest).await
            }
            (HeadView::Ended(None), _) => newest(self.of_teams(page, None, Stream::EndedInTeam).await?).await,
            (HeadView::Ended(Some((teams, agent))), _) => {
                let mut streams = self.of_teams(page, Some(teams), Stream::EndedInTeam).await?;
                streams.push(Stream::EndedWith(*agent));
                newest(streams).await
            }
        }
    }

    /// A stream for each of the teams, or of all that there are, which the filter does not leave out.
    async fn of_teams(
        &self,
        page: &Page<'_>,
        teams: Option<&[TeamId]>,
        stream: fn(TeamId) -> Stream,
    ) -> Result<Vec<Stream>, StoreError> {
        let mut teams = match (teams, page.filter.team) {
            (Some(teams), _) => teams.to_vec(),
            (None, Some(only)) => vec![only],
            (None, None) => self.teams(page.workspace).await?,
        };
        teams.retain(|team| page.filter.team.is_none_or(|only| only == *team));
        teams.sort();
        teams.dedup();
        Ok(teams.into_iter().map(stream).collect())
    }

    /// The next candidates of several streams together, in their order, at least one unless none is left; and whether there
    /// may be more.
    async fn merged(
        &self,
        workspace: WorkspaceId,
        streams: &[Stream],
        order: Order,
        after: Place,
        limit: usize,
    ) -> Result<(Vec<Candidate>, bool), StoreError> {
        let parts: Vec<Vec<Candidate>> = iter(streams.to_vec())
            .map(|stream| self.candidates(workspace, stream, after, limit))
            .buffered(STREAMS_AT_ONCE)
            .try_collect()
            .await?;
        // Behind the last of a part that may go on, another part may be ahead of it.
        let mut known_to: Option<Place> = None;
        for last in parts.iter().filter(|part| part.len() >= limit).filter_map(|part| part.last()) {
            known_to = Some(match known_to {
                Some(known) if order.is_before(known, last.place()) => known,
                Some(_) | None => last.place(),
            });
        }
        let mut merged = parts.concat();
        if let Some(known) = known_to {
            merged.retain(|candidate| !order.is_before(known, candidate.place()));
        }
        order.sort(&mut merged, Candidate::place);
        Ok((merged, known_to.is_some()))
    }

    /// A page of a list that has rows in its order.
    async fn page_of(
        &self,
        page: &Page<'_>,
        streams: &[Stream],
        order: Order,
    ) -> Result<Vec<ListedHead>, StoreError> {
        let mut read = order.place(page.after);
        let mut listed: Vec<ListedHead> = Vec::new();
        // What ended is under a team and under an agent.
        let mut met: HashSet<ConversationId> = HashSet::new();
        loop {
            let wanted = page.limit.saturating_sub(listed.len()).max(CANDIDATES_MIN);
            let (candidates, more) = self.merged(page.workspace, streams, order, read, wanted).await?;
            let at_once = if order == Order::NewestStep { AT_ONCE } else { page.limit.clamp(1, AT_ONCE) };
            for chunk in candidates.chunks(at_once) {
                for row in self.followed(page, chunk).await? {
                    if met.insert(row.conversation) {
                        listed.push(row);
                    }
                }
                if let Some(last) = chunk.last() {
                    read = last.place();
                }
                if listed.iter().filter(|row| order.is_settled(row.position.at, read.0)).count() >= page.limit
                {
                    break;
                }
            }
            let settled = listed.iter().filter(|row| order.is_settled(row.position.at, read.0)).count();
            let is_last = !more && candidates.last().is_none_or(|last| last.place() == read);
            if is_last || settled >= page.limit {
                order.sort(&mut listed, place_of);
                listed.truncate(page.limit);
                return Ok(listed);
            }
        }
    }

    /// A page of what an agent holds: few, so all are asked and then put in order.
    async fn page_of_held(&self, page: &Page<'_>, agent: AgentId) -> Result<Vec<ListedHead>, StoreError> {
        let held = self.held_of(page.workspace, agent).await?;
        let mut listed = self.followed(page, &held).await?;
        Order::Newest.sort(&mut listed, place_of);
        listed.truncate(page.limit);
        Ok(listed)
    }

    /// Those of the candidates that belong to the page, by their heads; what is over is removed.
    async fn followed(
        &self,
        page: &Page<'_>,
        candidates: &[Candidate],
    ) -> Result<Vec<ListedHead>, StoreError> {
        let asked: Vec<(ConversationKey, Candidate)> = candidates
            .iter()
            .map(|candidate| {
                (
                    ConversationKey { workspace: page.workspace, conversation: candidate.conversation },
                    *candidate,
                )
            })
            .collect();
        let heads: Vec<Option<Head>> = iter(asked)
            .map(|(key, candidate)| self.head_for(key, candidate))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut listed = Vec::new();
        for (candidate, head) in candidates.iter().zip(heads) {
            let Some(head) = head else { continue };
            if !rows(&head).contains(&candidate.row) {
                // A newer row stays, and so does one that was put for an append which is still on its way.
                if candidate.stamp.is_over(&head) {
                    let conversation = candidate.conversation;
                    let key = ConversationKey { workspace: page.workspace, conversation };
                    self.remove(key, candidate.row, candidate.stamp).await?;
                }
                continue;
            }
            listed.extend(page.shows(candidate.conversation, head));
        }
        Ok(listed)
    }
}

impl Shared {
    /// The head of a candidate, as known; but not an older one than that for which its row was put.
    async fn head_for(&self, key: ConversationKey, candidate: Candidate) -> Result<Option<Head>, StoreError> {
        let known = self.known_heads.get(key, self.head(key)).await?;
        match &known {
            Some(head) if !candidate.stamp.is_over(head) && !rows(head).contains(&candidate.row) => {
                self.head(key).await
            }
            Some(_) | None => Ok(known),
        }
    }
}

impl Page<'_> {
    /// The row of the list, if the conversation belongs on this page or a later one.
    fn shows(&self, conversation: ConversationId, head: Head) -> Option<ListedHead> {
        let at = self.view.time_of(&head).filter(|_| self.filter.passes(&head))?;
        let order = match self.view {
            HeadView::Queue(_) => Order::Oldest,
            HeadView::OfVisitor(_) | HeadView::HeldBy(_) | HeadView::Open(_) | HeadView::Ended(_) => {
                Order::Newest
            }
        };
        let is_behind = self.after.is_none_or(|after| {
            order.is_before((after.at, after.conversation.uuid()), (at, conversation.uuid()))
        });
        let position = HeadPosition { at, conversation };
        is_behind.then_some(ListedHead { conversation, head, position })
    }
}
