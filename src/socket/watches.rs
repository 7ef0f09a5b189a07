//! What an agent's socket watches: which conversations each list has shown, so that what leaves it is told. Pure:
//! what reads and writes is `watching.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{Changes, SharedHead, Topic};
use domain::{AgentId, ConversationId, Head, Principal, TeamId};
use store::{HeadFilter, HeadPosition, HeadView, ListedHead};

use super::shown_ones::ShownOnes;
use crate::conversations::view::View;

/// A socket watches so many lists.
const WATCHES_MAX: usize = 16;
/// So many conversations of a list are known to be shown (16 bytes each). Of a longer one every change outside is told
/// as a removal, rather once too often than never; of `ended` only the last shown are followed.
const SHOWN_MAX: usize = 2048;
/// Rows of a list that are read and written at once.
const PAGE: usize = 32;

/// A list that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) view: View,
    /// Only this team's.
    pub(super) team: Option<TeamId>,
}

/// More lists are not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany(pub(super) usize);

#[derive(Debug)]
struct Watch {
    list: List,
    /// What of it the agent sees; none: the agent may not see it now.
    view: Option<HeadView>,
    shown: ShownOnes,
    /// More is shown than is known.
    overfull: bool,
    /// Of a list that is being read.
    listing: Option<Listing>,
}

#[derive(Debug)]
struct Listing {
    after: Option<HeadPosition>,
    /// So many rows more at most.
    left: usize,
    /// What was shown before, and was not found again yet.
    before: ShownOnes,
}

/// A page that is to be read.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) list: List,
    pub(super) view: HeadView,
    pub(super) filter: HeadFilter,
    pub(super) after: Option<HeadPosition>,
    pub(super) limit: usize,
}

/// What the client is told of a conversation that changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It is in a list, or the agent's own: as it is now.
    pub(super) show: bool,
    /// The lists that it left.
    pub(super) left: Vec<List>,
}

/// All lists of a socket.
#[derive(Debug)]
pub(super) struct Watches {
    own: AgentId,
    all: Vec<Watch>,
    /// What changed and is not told yet, each as it is now; none: read it. At most what an inbox holds, and what lists
    /// have shown.
    changed: BTreeMap<ConversationId, Option<Arc<SharedHead>>>,
}

impl Watches {
    /// At first of nothing but what the agent has.
    pub(super) fn new(own: AgentId) -> Self {
        Self { own, all: Vec::new(), changed: BTreeMap::new() }
    }

    /// Watches the list, which `view` says what is in, and reads it, at most `rows_max`; a list that is watched is read
    /// again.
    pub(super) fn add(&mut self, list: List, view: HeadView, rows_max: usize) -> Result<(), TooMany> {
        let known = self.all.iter().position(|watch| watch.list == list);
        let place = match known {
            Some(place) => place,
            None if self.all.len() >= WATCHES_MAX => return Err(TooMany(WATCHES_MAX)),
            None => {
                let shown = ShownOnes::default();
                self.all.push(Watch { list, view: None, shown, overfull: false, listing: None });
                self.all.len() - 1
            }
        };
        self.all[place].view = Some(view);
        self.all[place].list_again(rows_max);
        Ok(())
    }

    pub(super) fn remove(&mut self, list: List) {
        self.all.retain(|watch| watch.list != list);
    }

    /// The agent's role or teams changed: each list is read again as the agent sees it now.
    pub(super) fn look_as(&mut self, who: &Principal, ended_max: usize) {
        for watch in &mut self.all {
            watch.view = watch.list.view.for_agent(who).ok();
        }
        self.list_again(ended_max);
    }

    fn list_again(&mut self, ended_max: usize) {
        for watch in &mut self.all {
            let rows_max = watch.list.rows_max(ended_max);
            watch.list_again(rows_max);
        }
    }

    /// Where what concerns these lists is told.
    pub(super) fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Agent(self.own)];
        for topic in self.all.iter().flat_map(Watch::topics) {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        topics
    }

    pub(super) fn take(&mut self, changes: Changes, ended_max: usize) {
        if changes.lost {
            self.list_again(ended_max);
        }
        self.changed.extend(changes.conversations);
    }

    /// These are told as they are now.
    pub(super) fn read_again(&mut self, conversations: impl IntoIterator<Item = ConversationId>) {
        self.changed.extend(conversations.into_iter().map(|conversation| (conversation, None)));
    }

    pub(super) fn has_work(&self) -> bool {
        !self.changed.is_empty() || self.all.iter().any(|watch| watch.listing.is_some())
    }

    pub(super) fn next_changed(&mut self) -> Option<(ConversationId, Option<Arc<SharedHead>>)> {
        self.changed.pop_first()
    }

    /// What is to be told of it; none: there is no such conversation.
    pub(super) fn judge(&mut self, conversation: ConversationId, head: Option<&Head>) -> Verdict {
        let holds = |view: &HeadView| head.is_some_and(|head| view.time_of(head).is_some());
        let mut verdict = Verdict { show: holds(&HeadView::HeldBy(self.own)), left: Vec::new() };
        for watch in &mut self.all {
            let in_team = head.is_some_and(|head| watch.list.filter().passes(head));
            if in_team && watch.view.as_ref().is_some_and(holds) {
                watch.put(conversation);
                verdict.show = true;
            } else if watch.forget(conversation) {
                verdict.left.push(watch.list);
            }
        }
        verdict
    }

    /// The next page of a list that is being read.
    pub(super) fn next_page(&mut self) -> Option<Page> {
        while let Some(watch) = self.all.iter_mut().find(|watch| watch.listing.is_some()) {
            let (Some(view), Some(listing)) = (&watch.view, &watch.listing) else {
                // What the agent no longer sees has no pages.
                let list = watch.list;
                self.listed(list, &[], PAGE);
                continue;
            };
            return Some(Page {
                list: watch.list,
                view: view.clone(),
                filter: watch.list.filter(),
                after: listing.after,
                limit: listing.left.min(PAGE),
            });
        }
        None
    }

    /// A page of at most `limit` rows was read. At the end of its list, what was shown and was not found again is read.
    pub(super) fn listed(&mut self, list: List, rows: &[ListedHead], limit: usize) {
        let Some(watch) = self.all.iter_mut().find(|watch| watch.list == list) else { return };
        for row in rows {
            watch.put(row.conversation);
        }
        let Some(listing) = &mut watch.listing else { return };
        listing.after = rows.last().map_or(listing.after, |row| Some(row.position));
        listing.left = listing.left.saturating_sub(rows.len());
        if rows.len() < limit || listing.left == 0 {
            let before = watch.listing.take().map(|listing| listing.before).unwrap_or_default();
            for conversation in before.in_order() {
                watch.put(conversation);
                self.changed.entry(conversation).or_insert(None);
            }
        }
    }
}

impl List {
    /// Of `ended` only the newest are listed.
    pub(super) fn rows_max(self, ended_max: usize) -> usize {
        if self.view == View::Ended { ended_max } else { usize::MAX }
    }

    fn filter(self) -> HeadFilter {
        HeadFilter { team: self.team, ..HeadFilter::default() }
    }
}

impl Watch {
    fn list_again(&mut self, rows_max: usize) {
        let mut before = std::mem::take(&mut self.shown);
        if let Some(listing) = self.listing.take() {
            listing.before.in_order().into_iter().for_each(|conversation| before.put(conversation));
        }
        self.overfull = false;
        self.listing = Some(Listing { after: None, left: rows_max, before });
    }

    /// It is shown.
    fn put(&mut self, conversation: ConversationId) {
        if let Some(listing) = &mut self.listing {
            listing.before.remove(conversation);
        }
        if self.shown.contains(conversation) {
            return;
        }
        if self.shown.len() >= SHOWN_MAX {
            self.shown.remove_oldest();
            self.overfull |= self.list.view != View::Ended;
        }
        self.shown.put(conversation);
    }

    /// It is shown no longer; says whether it was.
    fn forget(&mut self, conversation: ConversationId) -> bool {
        let before = self.listing.as_mut().map(|listing| &mut listing.before);
        let mut was_shown = self.overfull;
        for shown in [Some(&mut self.shown), before].into_iter().flatten() {
            was_shown |= shown.remove(conversation);
        }
        was_shown
    }

    fn topics(&self) -> Vec<Topic> {
        let only = self.list.team;
        let of = |teams: &[TeamId]| -> Vec<Topic> {
            let teams = teams.iter().filter(|team| only.is_none_or(|only| only == **team));
            teams.map(|team| Topic::Team(*team)).collect()
        };
        match &self.view {
            Some(HeadView::HeldBy(agent)) => vec![Topic::Agent(*agent)],
            Some(HeadView::Open(Some(teams)) | HeadView::Queue(Some(teams))) => of(teams),
            Some(HeadView::Ended(Some((teams, agent)))) => {
                of(teams).into_iter().chain([Topic::Agent(*agent)]).collect()
            }
            Some(HeadView::Open(None) | HeadView::Queue(None) | HeadView::Ended(None)) => {
                vec![only.map_or(Topic::All, Topic::Team)]
            }
            Some(HeadView::OfVisitor(_)) | None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
