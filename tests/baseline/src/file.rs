//! Messages in a plain file: one write and one fdatasync for all that wait. No store can be durable for less.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, anyhow};
use tokio::sync::oneshot;

use crate::message::{Log, Message};

/// Records that wait for the file. The bench has fewer connections, and each has one message under way.
const WAITING_MAX: usize = 4096;

/// The way to the thread that writes.
pub(crate) struct FileLog(SyncSender<Waiting>);

struct Waiting {
    record: Vec<u8>,
    /// Told the record's place once it is on the disk.
    durable: oneshot::Sender<u64>,
}

impl FileLog {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        let (queue, waiting) = sync_channel(WAITING_MAX);
        thread::Builder::new().name("file-writer".into()).spawn(move || {
            if let Err(error) = write(file, &waiting) {
                eprintln!("the file: {error}");
            }
        })?;
        Ok(Self(queue))
    }
}

impl Log for FileLog {
    async fn append(&self, message: &Message<'_>) -> anyhow::Result<u64> {
        let (durable, place) = oneshot::channel();
        let waiting = Waiting { record: record(message)?, durable };
        self.0.try_send(waiting).map_err(|_| anyhow!("the file takes no more"))?;
        place.await.context("the file was not written")
    }
}

/// Its length and its checksum, and then the message.
fn record(message: &Message<'_>) -> serde_json::Result<Vec<u8>> {
    let mut record = vec![0; 8];
    serde_json::to_writer(&mut record, message)?;
    let (head, body) = record.split_at_mut(8);
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    Ok(record)
}

fn write(mut file: File, waiting: &Receiver<Waiting>) -> io::Result<()> {
    let mut place = 0;
    let mut together = Vec::new();
    while let Ok(first) = waiting.recv() {
        let group: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).collect();
        together.clear();
        group.iter().for_each(|waiting| together.extend_from_slice(&waiting.record));
        file.write_all(&together)?;
        file.sync_data()?;
        for waiting in group {
            place += 1;
            // Who has gone is not told.
            let _ = waiting.durable.send(place);
        }
    }
    Ok(())
}
