//! The lanes of this boot, through which its conversations append.

use std::sync::Arc;

use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinSet;

use crate::log::OnItsWay;
use crate::{Append, ConversationKey, Incarnation, LaneId, LanesEnd, OpenLanesError, StoreError};

use super::confirm::Looks;
use super::lane::{Door, End, Lane, Refused, Waiter, failed};
use super::queue::Queued;
use super::rules::Rules;
use super::segments::{Answer, Registered, SegmentId, SegmentState, Segments, StoredGroup};
use super::tries::away;

/// What a boot appends through. When it is dropped, nothing more is sent.
#[derive(Debug)]
pub(crate) struct OpenLanes<S> {
    rules: Arc<Rules<S>>,
    incarnation: Incarnation,
    doors: Vec<Arc<Door>>,
    end: Arc<watch::Sender<Option<End>>>,
    looks: Looks<Result<bool, StoreError>>,
    /// Ends them when it is dropped.
    tasks: Mutex<JoinSet<()>>,
}

impl<S: Segments> OpenLanes<S> {
    /// Registers the first segment of every lane, then opens them. Nothing is appended before all of them are open.
    pub(super) async fn open(
        rules: Arc<Rules<S>>,
        incarnation: Incarnation,
    ) -> Result<Arc<Self>, OpenLanesError> {
        let firsts: Vec<SegmentId> = (0..rules.options.lanes.max(1))
            .map(|lane| SegmentId { lane: LaneId { incarnation, lane }, segment: 0 })
            .collect();
        let registers = firsts.iter().map(|&segment| {
            let registered = Registered { segment, sealed_at_ms: None, is_home: false };
            let rules = &rules;
            async move { rules.write(|| rules.segments.register(registered)).await }
        });
        futures_util::future::try_join_all(registers).await?;
        let rules_of_opens = &rules;
        let opens = firsts.iter().map(|&segment| async move {
            rules_of_opens.write(|| rules_of_opens.segments.open(segment)).await
        });
        let mut positions = Vec::with_capacity(firsts.len());
        for answer in futures_util::future::try_join_all(opens).await? {
            match answer {
                Answer::Applied => positions.push(0),
                // Of an attempt before.
                Answer::Refused(SegmentState { position, sealed: false }) => {
                    positions.push(position.unwrap_or(0))
                }
                Answer::Refused(SegmentState { sealed: true, .. }) => {
                    // What was registered just now is to be known as sealed.
                    rules.seal(incarnation).await?;
                    return Err(OpenLanesError::Sealed);
                }
            }
        }
        let end = Arc::new(watch::Sender::new(None));
        let mut tasks = JoinSet::new();
        let mut doors = Vec::with_capacity(firsts.len());
        for (segment, position) in firsts.into_iter().zip(positions) {
            let door = Arc::new(Door::new(segment.segment));
            let lane = Lane::new(Arc::clone(&rules), Arc::clone(&door), Arc::clone(&end), segment, position);
            tasks.spawn(lane.run());
            doors.push(door);
        }
        let (looks, tasks) = (Looks::default(), Mutex::new(tasks));
        Ok(Arc::new(Self { rules, incarnation, doors, end, looks, tasks }))
    }

    /// Whose they are.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Appends the group for which `on_its_way` was begun, as [`crate::Lanes::append`] says. What must stand before it stands
    /// already, and what goes afterwards is the caller's. A conversation is always in the same lane.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was written.
    pub(crate) async fn append_begun(
        &self,
        group: StoredGroup,
        on_its_way: OnItsWay,
    ) -> Result<Append, StoreError> {
        let key = group.key;
        if *self.end.borrow() == Some(End::Closed) {
            return Err(closed());
        }
        let (reply, answer) = oneshot::channel();
        let queued = Queued { group, waiter: Waiter { reply, on_its_way } };
        match self.door(key).enter(queued, &self.rules) {
            // Dropped without an answer: the lanes ended with the batch on its way.
            Ok(()) => answer.await.unwrap_or(Ok(Append::Unknown)),
            Err(Refused::Full) => Err(StoreError::Unavailable("too much waits to be written".into())),
            Err(Refused::Shut) => match *self.end.borrow() {
                Some(End::Ended(LanesEnd::Sealed)) => Ok(Append::Fenced),
                Some(End::Ended(LanesEnd::Failed)) => Err(failed()),
                Some(End::Closed) | None => Err(closed()),
            },
        }
    }

    /// Waits until nothing of the conversation is on its way; then the caller's append is, with what it does before.
    pub(crate) async fn begin(&self, key: ConversationKey) -> OnItsWay {
        self.rules.in_flight.begin(key).await
    }

    /// Begins and appends.
    #[cfg(test)]
    pub(crate) async fn append(&self, group: StoredGroup) -> Result<Append, StoreError> {
        let on_its_way = self.begin(group.key).await;
        self.append_begun(group, on_its_way).await
    }

    fn door(&self, key: ConversationKey) -> &Door {
        let lane = crc32fast::hash(key.conversation.uuid().as_bytes()) as usize % self.doors.len();
        &self.doors[lane]
    }

    /// As [`crate::Lanes::settled`].
    pub(crate) async fn settled(&self, key: ConversationKey) {
        self.rules.in_flight.settled(key).await;
    }

    /// As [`crate::Lanes::confirm`].
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known.
    pub(crate) async fn confirm(&self) -> Result<bool, StoreError> {
        self.looks.share(|| self.look()).await
    }

    /// Whether one lane is open, which is enough: another node writes only after all of them are sealed. Of a lane that
    /// writes nothing this moment, if there is one: a look contends with what is on its way.
    async fn look(&self) -> Result<bool, StoreError> {
        let mut tries = self.rules.writing();
        loop {
            if matches!(*self.end.borrow(), Some(End::Ended(_))) {
                return Ok(false);
            }
            let places = || self.doors.iter().enumerate().filter(|(_, door)| door.segment().is_some());
            let place = places().find(|(_, door)| !door.is_busy()).or_else(|| places().next());
            let looked = match place.and_then(|(lane, door)| Some((lane, door, door.segment()?))) {
                Some((lane, door, number)) => {
                    let lane = LaneId { incarnation: self.incarnation, lane: lane as u8 };
                    let segment = SegmentId { lane, segment: number };
                    match tries.attempt(self.rules.segments.state(segment)).await {
                        Ok(SegmentState { sealed: false, .. }) => return Ok(true),
                        Ok(SegmentState { sealed: true, .. }) if door.segment() == Some(number) => {
                            // Not by a roll of our own.
                            self.end.send_if_modified(|end| {
                                end.is_none() && end.replace(End::Ended(LanesEnd::Sealed)).is_none()
                            });
                            return Ok(false);
                        }
                        Ok(SegmentState { sealed: true, .. }) => continue,
                        Err(failure) => Err(away(&failure)),
                    }
                }
                None => tries.attempt(std::future::ready(Ok(()))).await.map_err(|failure| away(&failure)),
            };
            if tries.are_over() {
                return Err(looked.err().unwrap_or_else(|| StoreError::Unavailable("all lanes roll".into())));
            }
            tries.pause().await;
        }
    }

    /// As [`crate::Lanes::ended`].
    pub(crate) async fn ended(&self) -> LanesEnd {
        let mut ends = self.end.subscribe();
        loop {
            match *ends.borrow_and_update() {
                Some(End::Ended(end)) => return end,
                Some(End::Closed) | None => {}
            }
            if ends.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// As [`crate::Lanes::close`]. What is not settled in time is left to the next boot, and its callers hear that it is unknown.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the lanes may not be sealed.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.end.send_if_modified(|end| end.is_none() && end.replace(End::Closed).is_none());
        let mut tasks = self.tasks.lock().await;
        let finish = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.rules.options.close, finish).await.is_err() {
            tasks.shutdown().await;
        }
        self.rules.seal(self.incarnation).await
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the lanes are closed".into())
}
