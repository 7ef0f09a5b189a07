//! The release of shards over links: asks old owners, and answers new ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::WeakNode;
use bytes::Bytes;
use store::{Incarnation, Lanes};

use crate::asked::{Asked, released, was_released};
use crate::keeper::Keeper;
use crate::link::IncomingAsk;
use crate::membership::{Membership, ShardId, View};
use crate::peering::Peering;

/// How long a release may take: conversations finish what is in flight, and lanes are sealed.
const BUDGET: Duration = Duration::from_secs(10);

/// Asks each of these members in a task of its own; what they answer goes to the keeper.
pub(crate) fn ask(
    peering: &Arc<Peering>,
    keeper: &Arc<Keeper>,
    view: &View,
    asks: BTreeMap<Incarnation, Vec<ShardId>>,
) {
    for (of, shards) in asks {
        let Some(member) = view.member(of) else { continue };
        let name = member.name.clone();
        let payload = Asked::Release { view: view.clone(), shards }.encode();
        let (peering, keeper) = (Arc::clone(peering), Arc::clone(keeper));
        tokio::spawn(async move {
            match peering.ask(&name, payload, BUDGET).await.map(|answer| was_released(&answer)) {
                Ok(Ok(released)) => keeper.heard(released),
                Ok(Err(error)) => tracing::warn!(peer = %name, %error, "an answer is not known here"),
                // It is asked again.
                Err(error) => tracing::debug!(peer = %name, %error, "a release was not answered"),
            }
        });
    }
}

/// Answers what peers ask, until the boot is out or its node is gone.
pub(crate) async fn answer(
    peering: Arc<Peering>,
    keeper: Arc<Keeper>,
    membership: Membership,
    node: WeakNode,
    lanes: Arc<dyn Lanes>,
) {
    let mut out = membership.out();
    let answers = async {
        loop {
            let ask = peering.asked().await;
            let (keeper, membership) = (Arc::clone(&keeper), membership.clone());
            let (node, lanes) = (node.clone(), Arc::clone(&lanes));
            // Beside: a release waits for conversations.
            tokio::spawn(async move {
                if let Some(answer) = answer_one(&ask, &keeper, &membership, &node, &*lanes).await {
                    ask.answer(answer);
                }
            });
        }
    };
    tokio::select! {
        _ = out.wait_for(Option::is_some) => {}
        () = answers => {}
    }
}

/// None: the asker does not know, and asks again.
async fn answer_one(
    ask: &IncomingAsk,
    keeper: &Keeper,
    membership: &Membership,
    node: &WeakNode,
    lanes: &dyn Lanes,
) -> Option<Bytes> {
    let Asked::Release { view, shards } = match Asked::decode(&ask.payload) {
        Ok(asked) => asked,
        Err(error) => {
            tracing::warn!(peer = %ask.peer, %error, "what a peer asks is not known here");
            return None;
        }
    };
    // The asker may have the newer view.
    membership.learn(view);
    let node = node.upgrade()?;
    match keeper.release(&node, lanes, &shards).await {
        Ok(shards) => Some(released(membership.incarnation(), &shards)),
        Err(error) => {
            tracing::warn!(peer = %ask.peer, %error, "nothing is released yet");
            None
        }
    }
}
