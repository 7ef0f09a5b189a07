//! Those who take part in a run: visitors who write, and an agent who looks on.

use std::net::SocketAddr;

use anyhow::Context;
use driver::{Api, Ready};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::agent::{Agent, Position, SUBSCRIPTIONS_MAX};
use crate::on_runtime;
use crate::visitor::Visitor;

/// As long as a visitor's token, for servers that do not look at it.
const ANY_TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Visitors who come at once.
const AT_ONCE: usize = 16;

/// A Switchboard that is running.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Target {
    /// Where the server is: http://ADDRESS:PORT
    #[arg(long)]
    pub(crate) url: String,
    /// The site's public key
    #[arg(long)]
    pub(crate) site_key: String,
    /// An agent of the site's team
    #[arg(long)]
    pub(crate) agent_email: String,
    /// Their password
    #[arg(long)]
    pub(crate) agent_password: String,
}

impl From<&Ready> for Target {
    fn from(ready: &Ready) -> Self {
        let agent = &ready.agents[0];
        Self {
            url: ready.url.clone(),
            site_key: ready.site_key.clone(),
            agent_email: agent.email.clone(),
            agent_password: agent.password.clone(),
        }
    }
}

/// How many write, and to how many conversations.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Visitors, each with a connection of their own
    #[arg(long, default_value_t = 64)]
    pub(crate) visitors: usize,
    /// Conversations of a visitor, written to in turn; a log takes 10,000 events
    #[arg(long, default_value_t = 1)]
    pub(crate) conversations: usize,
}

/// All who take part, ready to begin.
pub(crate) struct Cast {
    pub(crate) address: SocketAddr,
    pub(crate) visitors: Vec<Visitor>,
    /// One and the same agent, with a socket for each 200 conversations.
    pub(crate) agents: Vec<Agent>,
}

impl Cast {
    /// Makes visitors and their conversations, and has an agent subscribe to these.
    pub(crate) fn of_switchboard(target: &Target, size: Size) -> anyhow::Result<Self> {
        let address = address_of(&target.url)?;
        let (visitors, positions, token) = on_runtime(async {
            let api = Api::new(address);
            let arrive = |_| arrive(&api, &target.site_key, size.conversations);
            let arriving = stream::iter(0..size.visitors).map(arrive).buffer_unordered(AT_ONCE);
            let (visitors, positions): (Vec<_>, Vec<_>) =
                arriving.try_collect::<Vec<_>>().await?.into_iter().unzip();
            let agent = api.login(&target.agent_email, &target.agent_password).await?;
            anyhow::Ok((visitors, positions.concat(), agent.token))
        })?;
        let agents = positions
            .chunks(SUBSCRIPTIONS_MAX)
            .map(|positions| Agent::subscribe(address, &token, positions))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { address, visitors, agents })
    }

    /// For a server that has numbered conversations and one agent, and authenticates nobody.
    pub(crate) fn of_baseline(url: &str, size: Size) -> anyhow::Result<Self> {
        let address = address_of(url)?;
        let visitor = |number| {
            let first = number * size.conversations;
            let paths = (first..first + size.conversations).map(messages_path).collect();
            Visitor { token: ANY_TOKEN.to_owned(), paths }
        };
        let visitors = (0..size.visitors).map(visitor).collect();
        Ok(Self { address, visitors, agents: vec![Agent::connect(address)?] })
    }
}

/// A new visitor who starts so many conversations, and where an agent goes on in each.
async fn arrive(api: &Api, site_key: &str, conversations: usize) -> anyhow::Result<(Visitor, Vec<Position>)> {
    let visitor = api.visitor(site_key).await?;
    let (mut paths, mut positions) = (Vec::new(), Vec::new());
    for number in 0..conversations {
        let client_id = format!("start-{number}");
        let started = api.start_conversation(&visitor.token, &client_id, Some("Hello")).await?;
        let body = started.expect(201)?;
        let conversation = &body["conversation"];
        let (id, last_seq) = (conversation["id"].as_str(), conversation["last_seq"].as_u64());
        let (id, last_seq) = id.zip(last_seq).with_context(|| format!("no conversation: {body}"))?;
        paths.push(messages_path(id));
        positions.push((id.to_owned(), last_seq));
    }
    Ok((Visitor { token: visitor.token, paths }, positions))
}

fn messages_path(conversation: impl std::fmt::Display) -> String {
    format!("/api/v1/chat/conversations/{conversation}/messages")
}

fn address_of(url: &str) -> anyhow::Result<SocketAddr> {
    let authority = url.strip_prefix("http://").context("the url must begin with http://")?;
    authority.trim_end_matches('/').parse().context("the url must name an address")
}
