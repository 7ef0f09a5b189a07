//! Lists that an agent's socket watches: shown as they are, page by page, then what changes.

use std::sync::Arc;
use std::time::Duration;

use cluster::{QueuePosition, SharedHead};
use domain::{ConversationId, Head, TeamId};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::close::Close;
use super::frames::{Frame, OfList};
use super::requests::Stop;
use super::session::{Session, to_text};
use super::side::Side;
use super::watches::{List, TooMany, Verdict};
use crate::conversations;
use crate::conversations::people;
use crate::conversations::view::View;
use crate::errors::{ApiError, ErrorCode};
use crate::json::{ConversationJson, Shown};

/// Changes of conversations are not written more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Changes that are written together, before frames are read again.
const WRITE_TOGETHER: usize = 32;
/// So long at most places in queues are asked for in between; then conversations are shown without.
const PLACES_WITHIN: Duration = Duration::from_millis(200);
/// What one socket has made of a change is shown by the others for so long, with the names and the place in the queue of then.
const YOUNG: Duration = Duration::from_secs(1);
/// After a failed read.
const AGAIN: Duration = Duration::from_millis(500);

impl Session {
    pub(super) async fn watch(&mut self, frame: OfList) -> Result<(), Stop> {
        let list = parse(&frame)?;
        let view = list.view.for_agent(&self.who)?;
        let rows_max = list.rows_max(self.app.config.limits.page_max);
        let Side::Agent(agent_side) = &mut self.side else { return Ok(()) };
        // First, so that what changes from now on is not missed between the list and the topics.
        agent_side.watches.add(list, view, rows_max).map_err(|TooMany(max)| {
            ApiError::new(ErrorCode::Conflict, format!("a socket watches at most {max} lists"))
        })?;
        agent_side.watcher.look_at(agent_side.watches.topics());
        self.ok(frame.id.as_deref()).await
    }

    pub(super) async fn unwatch(&mut self, frame: OfList) -> Result<(), Stop> {
        let list = parse(&frame)?;
        let Side::Agent(agent_side) = &mut self.side else { return Ok(()) };
        agent_side.watches.remove(list);
        agent_side.watcher.look_at(agent_side.watches.topics());
        self.ok(frame.id.as_deref()).await
    }

    /// What the agent may see has changed: what they no longer see leaves the lists.
    pub(super) fn look_as_changed(&mut self) {
        if let Side::Agent(agent_side) = &mut self.side {
            agent_side.watches.look_as(&self.who, self.app.config.limits.page_max);
            agent_side.watcher.look_at(agent_side.watches.topics());
        }
    }

    /// Takes what changed since the last time.
    pub(super) async fn take_changes(&mut self) -> Result<(), Close> {
        match &mut self.side {
            Side::Visitor(_) => self.show_positions().await,
            Side::Agent(agent_side) => {
                agent_side.look_at = Instant::now() + LOOK_EVERY;
                agent_side.watches.take(agent_side.watcher.take(), self.app.config.limits.page_max);
                Ok(())
            }
        }
    }

    /// Writes a few of the changes, and a page of a list that is being read.
    pub(super) async fn show_lists(&mut self) -> Result<(), Close> {
        let places_until = Instant::now() + PLACES_WITHIN;
        for _ in 0..WRITE_TOGETHER {
            let Side::Agent(agent_side) = &mut self.side else { return Ok(()) };
            let Some((conversation, head)) = agent_side.watches.next_changed() else { break };
            if !self.show_changed(conversation, head, places_until).await? {
                return self.flush().await;
            }
        }
        self.show_page(places_until).await?;
        self.flush().await
    }

    /// False: it could not be read, and is tried again.
    async fn show_changed(
        &mut self,
        conversation: ConversationId,
        known: Option<Arc<SharedHead>>,
        places_until: Instant,
    ) -> Result<bool, Close> {
        let head = match known {
            Some(head) => Some(head),
            None => match self.app.store.heads.get(self.key(conversation)).await {
                Ok(read) => read.map(|head| Arc::new(SharedHead::new(Arc::new(head)))),
                Err(error) => {
                    tracing::warn!(%conversation, %error, "a change waits for the store");
                    if let Side::Agent(agent_side) = &mut self.side {
                        agent_side.watches.read_again([conversation]);
                    }
                    // The store is given a moment; orders and frames wait as long.
                    tokio::time::sleep(AGAIN).await;
                    return Ok(false);
                }
            },
        };
        let Side::Agent(agent_side) = &mut self.side else { return Ok(true) };
        let Verdict { show, left } =
            agent_side.watches.judge(conversation, head.as_ref().map(|head| &***head));
        if let Some(head) = head.filter(|_| show) {
            self.show_shared(conversation, &head, places_until).await?;
        }
        for List { view, team } in left {
            let (conversation_id, view, team_id) = (Shown(conversation), view.name(), team.map(Shown));
            self.write(&Frame::ConversationRemoved { conversation_id, view, team_id }).await?;
        }
        Ok(true)
    }

    async fn show_page(&mut self, places_until: Instant) -> Result<(), Close> {
        let Side::Agent(agent_side) = &mut self.side else { return Ok(()) };
        let Some(page) = agent_side.watches.next_page() else { return Ok(()) };
        let turn = self.begin_read().await;
        let heads = &self.app.store.heads;
        let rows = match heads.list(self.workspace, &page.view, &page.filter, page.after, page.limit).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "a watched list waits for the store");
                // The store is given a moment; orders and frames wait as long.
                tokio::time::sleep(AGAIN).await;
                return Ok(());
            }
        };
        drop(turn);
        let Side::Agent(agent_side) = &mut self.side else { return Ok(()) };
        agent_side.watches.listed(page.list, &rows, page.limit);
        for row in &rows {
            self.show(row.conversation, &row.head, places_until).await?;
        }
        self.end_read();
        Ok(())
    }

    /// A change concerns many who look on, and one of them makes what all show.
    async fn show_shared(
        &mut self,
        conversation: ConversationId,
        head: &SharedHead,
        places_until: Instant,
    ) -> Result<(), Close> {
        // What has no place, as none is asked for any more, is not for others.
        if Instant::now() >= places_until {
            return self.show(conversation, head, places_until).await;
        }
        let shown = async { self.frame_of(conversation, head, places_until).await.into() };
        let text = head.shown(YOUNG, shown).await;
        self.write_text(Utf8Bytes::try_from(text).expect("frames are text")).await
    }

    async fn show(
        &mut self,
        conversation: ConversationId,
        head: &Head,
        places_until: Instant,
    ) -> Result<(), Close> {
        let text = self.frame_of(conversation, head, places_until).await;
        self.write_text(text.into()).await
    }

    async fn frame_of(&self, conversation: ConversationId, head: &Head, places_until: Instant) -> String {
        let audience = self.who.audience();
        let place: Option<QueuePosition> = if Instant::now() < places_until {
            conversations::place(&self.app, self.key(conversation), head).await
        } else {
            None
        };
        let head = people::named(&self.app.identity, self.workspace, head).await;
        let conversation = ConversationJson::of(conversation, &head, audience).placed(place, audience);
        to_text(&Frame::Conversation { conversation })
    }
}

fn parse(frame: &OfList) -> Result<List, ApiError> {
    let view = View::parse(&frame.view)?;
    let parse_team = |text: &String| {
        text.parse::<TeamId>().map_err(|_| ApiError::invalid_field("team_id", "must be the id of a team"))
    };
    Ok(List { view, team: frame.team_id.as_ref().map(parse_team).transpose()? })
}
