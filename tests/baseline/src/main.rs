//! What the bench (`load bench`) measures Switchboard against: a message comes in by the same HTTP, is made durable,
//! and goes out to the same socket, with nothing in between. No credential, no rule, no actor, no limit.
//!
//! ```text
//! baseline sqlite    into Switchboard's own SQLite log: what is left are the costs of all that stands before it
//! baseline file      into a plain file, with one fdatasync for all that wait: the limit of this machine
//! ```
//!
//! It is no server for anybody else: it listens on 127.0.0.1, has one agent, and serves until it is killed.

mod agent;
mod file;
mod front;
mod message;
mod sqlite;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;
use tokio::net::TcpListener;
use tokio::runtime;

use file::FileLog;
use front::Front;
use message::Log;
use sqlite::SqliteLog;

/// The same as Switchboard's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Serves the bench's messages with nothing between them and the disk
#[derive(Parser)]
struct Command {
    /// Where messages go
    log: LogKind,
    /// The folder for what is kept; the store or the file in it is made anew
    #[arg(long)]
    data: PathBuf,
    /// How many conversations there are: 0, 1, 2 ...
    #[arg(long, default_value_t = 200)]
    conversations: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogKind {
    /// Switchboard's own SQLite log
    Sqlite,
    /// A plain file
    File,
}

fn main() -> anyhow::Result<()> {
    let Command { log, data, conversations } = Command::parse();
    match log {
        // As Switchboard runs.
        LogKind::Sqlite => runtime::Runtime::new()?.block_on(async {
            let log = SqliteLog::create(&data, conversations).await?;
            serve(log).await
        }),
        // As cheap as it can be.
        LogKind::File => runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async { serve(FileLog::create(&data.join("log"))?).await }),
    }
}

async fn serve<L: Log>(log: L) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!(r#"{{"url":"http://{}","pid":{}}}"#, listener.local_addr()?, std::process::id());
    Front::new(log).serve(listener).await
}
