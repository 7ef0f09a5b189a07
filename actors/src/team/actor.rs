//! The actor of a team's router.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::router::Router;
use crate::mail::{QueueGauges, Refusal, TeamHandle, TeamMessage};
use crate::runtime::Context;
use crate::words::{ExecuteError, TeamKey};

struct RouterActor;

/// Starts the router of `key`; it reads its team by itself.
///
/// # Errors
/// [`ExecuteError::Unavailable`] when no actor could be started; ask again soon.
pub(crate) async fn start(node: &Arc<Context>, key: TeamKey) -> Result<TeamHandle, ExecuteError> {
    node.may_start()?;
    let supervisor = node.supervisor.get_cell();
    let gauges = Arc::new(QueueGauges::default());
    let opened = (Arc::clone(node), key, Arc::clone(&gauges));
    let (actor, _) = RouterActor::spawn_linked(None, RouterActor, opened, supervisor)
        .await
        .map_err(|error| ExecuteError::not_started(&error))?;
    Ok(TeamHandle::new(actor, node.settings.mailbox_places, gauges))
}

impl Actor for RouterActor {
    type Msg = TeamMessage;
    type State = Router;
    type Arguments = (Arc<Context>, TeamKey, Arc<QueueGauges>);

    async fn pre_start(
        &self,
        myself: ActorRef<TeamMessage>,
        (node, key, gauges): Self::Arguments,
    ) -> Result<Router, ActorProcessingErr> {
        let mut router = Router::new(node, key, gauges, myself);
        router.load();
        Ok(router)
    }

    async fn handle(
        &self,
        _: ActorRef<TeamMessage>,
        message: TeamMessage,
        router: &mut Router,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TeamMessage::Decline(asked) => {
                let answer = router.decline(asked.ask.clone());
                asked.answer(answer.map_err(Refusal::from));
            }
            TeamMessage::Position(asked) => {
                let answer = router.position(asked.ask.0);
                asked.answer(Ok(answer));
            }
            // It waits in a list with a bound of its own.
            TeamMessage::PositionWhenKnown(asked) => router.position_when_known(asked.ask, asked.reply),
            TeamMessage::Waiting(asked) => {
                let answer = router.waiting();
                asked.answer(Ok(answer));
            }
            TeamMessage::Explain(asked) => {
                let answer = router.explain(asked.ask.0);
                asked.answer(Ok(answer));
            }
            TeamMessage::Joined(joined) => {
                router.note_move(joined.conversation);
                router.joined(*joined);
            }
            TeamMessage::Left { conversation, taken } => router.left(conversation, taken),
            TeamMessage::Recalled { conversation, agent } => router.recalled(conversation, agent),
            TeamMessage::Agent(report) => router.agent(*report),
            TeamMessage::Refused { conversation, agent } => router.refused(conversation, agent),
            TeamMessage::Given { conversation, agent, given } => router.given(conversation, agent, given),
            TeamMessage::Route => router.route(),
            TeamMessage::Tick => router.tick(),
            TeamMessage::Reload => router.load(),
            TeamMessage::Loaded(loaded) => router.loaded(*loaded),
            TeamMessage::Reconcile => router.reconcile(),
            TeamMessage::Unread => router.reconcile_soon(),
            TeamMessage::Listed { began, listed } => router.compare(began, listed),
        }
        router.show();
        Ok(())
    }
}
