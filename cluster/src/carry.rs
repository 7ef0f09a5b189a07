//! Carries what actors tell one another.

use std::sync::Arc;

use actors::{AgentKey, Given, Node, Notice, WeakNode};
use store::ConversationKey;
use tokio::sync::{Semaphore, mpsc};

use crate::assignment;

/// How many notices that ask a conversation to write are carried out at once.
const CARRIERS: usize = 512;

/// Delivers notices in order until the node ends; what asks a conversation to write goes beside, so that one slow log holds
/// up nobody else.
pub(crate) async fn run(node: WeakNode, mut notices: mpsc::Receiver<Notice>) {
    let carriers = Arc::new(Semaphore::new(CARRIERS));
    while let Some(notice) = notices.recv().await {
        let Some(node) = node.upgrade().filter(|node| !node.is_over()) else { return };
        let Some(write) = node.deliver(notice).await else { continue };
        match Arc::clone(&carriers).try_acquire_owned() {
            Ok(carrier) => drop(tokio::spawn(async move {
                carry_out(&node, write).await;
                drop(carrier);
            })),
            Err(_) => put_off(&node, write).await,
        }
    }
}

async fn carry_out(node: &Node, notice: Notice) {
    match notice {
        Notice::Release { key, agent, epoch, reason } => {
            assignment::release(node, key, agent, epoch, reason).await;
        }
        Notice::Give { team, conversation, to, epoch, why } => {
            let agent = to.id;
            let key = ConversationKey { workspace: team.workspace, conversation };
            let given = assignment::give(node, key, to, epoch, why).await;
            node.deliver(Notice::Given { team, conversation, agent, given }).await;
        }
        other => drop(node.deliver(other).await),
    }
}

/// Too much is being written: its sender hears that it failed, and asks again soon.
async fn put_off(node: &Node, notice: Notice) {
    let failed = match notice {
        Notice::Release { key, agent, .. } => {
            Notice::NotReleased { agent: AgentKey { workspace: key.workspace, agent } }
        }
        Notice::Give { team, conversation, to, .. } => {
            Notice::Given { team, conversation, agent: to.id, given: Given::Failed }
        }
        other => other,
    };
    node.deliver(failed).await;
}
