#!/usr/bin/env bash
# ractor 0.16.5: an actor that does nothing takes four and a half times the memory of a task with a channel, most of it for supervision
# events that never come.
#
# What one expects: an actor with no state is a tokio task that waits on its mailbox, and costs about as much. Its documentation counts
#   the four ports of an actor (signals, stop, supervision, messages) and names no size; so one actor for each of a million
#   things looks as cheap as a task for each.
# What happens: the ports for supervision and messages are unbounded channels of tokio, made with the actor. Such a channel makes room for
#   32 entries at once, when it is made, and a supervision event is large: 2.5 KiB for each actor, also for one that supervises nobody.
#   With the rest an idle actor takes 5.9 kB here, a task with its own unbounded channel of boxed messages 1.3 kB.
# What to do: count on it: a million idle actors are 6 GB. Let go of actors that are idle and can be made again, and
#   keep a bound on how many live.
# Source: ractor's source, actor/actor_properties.rs, `new_remote`; tokio's, sync/mpsc/block.rs (BLOCK_CAP).
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
ractor = { version = "=0.16.5", default-features = false, features = ["tokio_runtime"] }
tokio = { version = "=1.54.1", features = ["macros", "rt"] }
[profile.release]
debug = 0
TOML
mkdir src
cat >src/main.rs <<'RS'
use ractor::{Actor, ActorProcessingErr, ActorRef};

const COUNT: usize = 20_000;

struct Idle;

impl Actor for Idle {
    type Msg = Box<u64>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Box<u64>>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Whatever is made once, is made before.
    let (_first, _) = Actor::spawn(None, Idle, ()).await.unwrap();
    let before = resident();
    let mut senders = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel::<Box<u64>>();
        tokio::spawn(async move { while messages.recv().await.is_some() {} });
        senders.push(sender);
    }
    tokio::task::yield_now().await;
    let task = (resident() - before) / COUNT;
    let before = resident();
    let mut actors = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        actors.push(Actor::spawn(None, Idle, ()).await.unwrap().0);
    }
    let actor = (resident() - before) / COUNT;
    println!("bytes for each of {COUNT}: an idle task with a channel {task}, an idle actor {actor}");
    if actor < 3 * task || actor < 4_000 {
        println!("no longer seen");
        std::process::exit(1);
    }
}
RS
echo "ractor 0.16.5"
cargo run --quiet --release
