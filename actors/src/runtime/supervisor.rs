//! The root of the actors. It counts and logs crashes; an actor that is needed again is activated by its next message.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tracing::{debug, error};

use super::stats::Stats;

pub(crate) struct Supervisor {
    pub(crate) stats: Arc<Stats>,
}

/// The supervisor takes no messages of its own.
#[derive(Debug)]
pub(crate) enum SupervisorMessage {}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, cause) => {
                Stats::add(&self.stats.crashes, 1);
                error!(actor = %actor.get_id(), %cause, "an actor crashed; its next message activates it again");
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                debug!(actor = %actor.get_id(), "an actor ended")
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}
