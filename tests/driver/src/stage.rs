//! What the runs have in common that do something to the server while everybody is talking: the clients, and the
//! judgement by the checker of what they did and saw.
//!
//! A run goes in rounds, so that no conversation grows to its limit. In each, four visitors (two by REST, two by
//! socket) and two agents (one who has accepted, one who writes notes) send as fast as they are answered. What has an
//! unknown outcome is repeated under the same `client_id` until it is acknowledged, and sockets and long polls go on
//! after the last event they saw. When the trouble is over the whole logs are read, in several ways.
//!
//! Beside them a front desk is at work, whose conversations wait, are offered, taken and given on ([`desk`]); it is
//! read and judged at the end of a round, and within it where the trouble says so.

mod desk;
mod reading;
mod rest;
mod scene;
mod summary;
mod talker;
mod words;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use checker::Recorder;
use futures_util::future::{try_join, try_join_all, try_join3};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;

use crate::api::Api;
use crate::sandbox::{Ready, Sandbox};

pub(crate) use desk::FrontDesk;
pub(crate) use rest::is_acknowledgement;
pub(crate) use scene::Talk;
pub use summary::{DeskSummary, Summary};

/// What befalls the server while everybody is talking.
pub(crate) trait Trouble {
    /// How long reconnecting, making offers anew and giving back may take after it on a machine that is busy; what is wrong
    /// at the front desk for longer is wrong.
    const SETTLES: Duration = Duration::from_secs(10);

    /// All of it, at random moments; the clients talk until it is over.
    async fn befall(&mut self, stage: &Stage, desk: &FrontDesk, random: &mut StdRng) -> anyhow::Result<()>;

    /// The only server that runs when it begins; none: all do.
    fn alone(&self) -> Option<usize> {
        None
    }

    /// What comes when the last message is acknowledged, before everything is read.
    async fn finish(&mut self, stage: &Stage) -> anyhow::Result<()>;

    /// Leaves the servers' folders behind, to be looked at.
    fn keep_folders(&mut self) -> Vec<PathBuf>;
}

/// What the clients of a round share.
#[derive(Clone)]
pub(crate) struct Stage {
    /// Of one installation.
    servers: Rc<[Api]>,
    /// The only one of them that runs; none: any may.
    alone: Rc<Cell<Option<usize>>>,
    ready: Rc<Ready>,
    recorder: Recorder,
    /// True when the clients are to end.
    curtain: watch::Receiver<bool>,
}

impl Stage {
    /// On these servers, the first of which says who is there; with what makes the curtain fall.
    fn new(servers: &[Api], ready: &Ready, recorder: &Recorder) -> (Self, watch::Sender<bool>) {
        let (drop_curtain, curtain) = watch::channel(false);
        let (servers, ready) = (servers.into(), Rc::new(ready.clone()));
        (Self { servers, alone: Rc::default(), ready, recorder: recorder.clone(), curtain }, drop_curtain)
    }

    /// Any of the servers, a new one at each call: so each attempt goes to any.
    pub(crate) fn api(&self) -> &Api {
        let any = || rand::random_range(0..self.servers.len());
        &self.servers[self.alone.get().unwrap_or_else(any)]
    }

    /// From now on only this server is asked: the others have ended.
    pub(crate) fn stay_on(&self, server: usize) {
        self.alone.set(Some(server));
    }

    /// From now on any server is asked.
    pub(crate) fn go_anywhere(&self) {
        self.alone.set(None);
    }

    /// Whether it is played on several servers, of which one may write, and which share nothing but their store.
    fn has_several_servers(&self) -> bool {
        self.servers.len() > 1
    }

    /// Whether a client leaves its socket to go on elsewhere: now and then, if there is an elsewhere.
    fn moves_on(&self) -> bool {
        self.has_several_servers() && rand::random_ratio(1, TURNS_ON_A_SERVER)
    }

    /// Whether no new message is to be sent.
    fn is_ending(&self) -> bool {
        *self.curtain.borrow()
    }
}

/// For how many turns a client stays on one server, about.
const TURNS_ON_A_SERVER: u32 = 40;

/// One round: all play until the trouble is over and everything is acknowledged; then all is read.
async fn play(
    stage: &Stage,
    drop_curtain: watch::Sender<bool>,
    seed: u64,
    desk: &Rc<FrontDesk>,
    trouble: &mut impl Trouble,
) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut casting = StdRng::from_rng(&mut random);
    let people = desk.people(stage, &mut casting);
    let acting = async {
        let scene = scene::build(stage).await?;
        try_join_all(scene.clients(stage, &mut casting)).await?;
        anyhow::Ok(scene)
    };
    let troubling = async {
        trouble.befall(stage, desk, &mut random).await?;
        drop_curtain.send_replace(true);
        anyhow::Ok(())
    };
    let (scene, _, ()) = try_join3(acting, try_join_all(people), troubling).await?;
    trouble.finish(stage).await?;
    try_join(reading::read_all(stage, &scene), desk.inspect(stage)).await?;
    scene.end(stage).await?;
    desk.close(stage).await
}

/// The ways to these servers, of which the first tells who is there.
pub(crate) fn apis(sandboxes: &[&Sandbox]) -> Vec<Api> {
    sandboxes.iter().map(|sandbox| sandbox.api()).collect()
}
