//! One client's connection, carried to its node.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::frame::{Asked, Frame, Opcode};
use super::rule::{Fate, Fault, Heard, error_body};
use super::{Kind, Shared};

/// The code of an ERROR that blames the client.
const PROTOCOL_ERROR: u32 = 0x000a;
/// Late requests take streams from here on, so that their answers are not taken for those of others. Clients take the
/// lowest ones that are free, and have far fewer requests under way.
const LATE_STREAMS_FROM: i16 = 0x6000;

/// What it takes to carry a connection's requests and answers.
pub(super) struct Connection {
    shared: Arc<Shared>,
    /// None: the client has gone, or was cut off.
    to_client: Mutex<Option<OwnedWriteHalf>>,
    to_node: Mutex<OwnedWriteHalf>,
    /// By stream: the answers that are not simply passed on.
    awaited: std::sync::Mutex<HashMap<i16, Awaited>>,
    /// Told when the client is to be cut off.
    cut: Notify,
}

/// What to do with an answer.
enum Awaited {
    /// Learn the statement's id from it, and pass it on.
    Prepare(String),
    /// Let the client hear this instead.
    Faulty(Heard),
    /// Tell who delayed the request, and nobody else.
    Late(oneshot::Sender<()>),
}

impl Connection {
    /// Carries it until one side ends, and what was delayed has been executed. A node that is not there ends it at once.
    pub(super) async fn carry(client: TcpStream, node: SocketAddr, shared: Arc<Shared>) {
        let Ok(node) = TcpStream::connect(node).await else { return };
        // The kernel may not know it any more when the client has already gone; then nothing is left to hurry.
        let _ = client.set_nodelay(true);
        let _ = node.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_node, to_node) = node.into_split();
        let connection = Arc::new(Self {
            shared,
            to_client: Mutex::new(Some(to_client)),
            to_node: Mutex::new(to_node),
            awaited: std::sync::Mutex::default(),
            cut: Notify::new(),
        });
        let requests = async {
            let mut late = JoinSet::new();
            // Whatever ends it, the client sees the end of its connection.
            let _ = connection.requests(from_client, &mut late).await;
            connection.to_client.lock().await.take();
            while late.join_next().await.is_some() {}
        };
        tokio::select! {
            () = requests => {}
            _ = connection.answers(from_node) => {}
        }
    }

    async fn requests(self: &Arc<Self>, mut from: OwnedReadHalf, late: &mut JoinSet<()>) -> io::Result<()> {
        let mut late_stream = LATE_STREAMS_FROM;
        loop {
            // Nothing but reading is cut short: the node must not get half a request.
            let read = tokio::select! {
                read = Frame::read(&mut from) => read?,
                () = self.cut.notified() => None,
            };
            let Some(request) = read else { return Ok(()) };
            let stream = request.stream();
            if let Some(reason) = request.unreadable() {
                let refusal = Frame::error(stream, &error_body(PROTOCOL_ERROR, reason, &[]));
                return self.tell_client(&refusal).await;
            }
            let Some(fault) = self.judge(&request) else {
                self.tell_node(&request).await?;
                continue;
            };
            match fault.fate {
                Fate::Executed => {
                    self.await_answer(stream, Awaited::Faulty(fault.heard));
                    self.tell_node(&request).await?;
                    continue;
                }
                Fate::Lost => {}
                Fate::Late(delay) => {
                    while late.try_join_next().is_some() {}
                    late.spawn(self.clone().tell_node_late(request.with_stream(late_stream), delay));
                    late_stream = late_stream.checked_add(1).unwrap_or(LATE_STREAMS_FROM);
                }
            }
            match fault.heard {
                Heard::Nothing => {}
                Heard::Error(error) => self.tell_client(&Frame::error(stream, &error.body())).await?,
                Heard::Cut => return Ok(()),
            }
        }
    }

    async fn answers(&self, mut from: OwnedReadHalf) -> io::Result<()> {
        while let Some(answer) = Frame::read(&mut from).await? {
            let awaited = self.awaited().remove(&answer.stream());
            let heard = match awaited {
                None => answer,
                Some(Awaited::Prepare(statement)) => {
                    if let Some(id) = answer.prepared_id() {
                        self.shared.learn(id, statement);
                    }
                    answer
                }
                Some(Awaited::Faulty(Heard::Nothing)) => continue,
                Some(Awaited::Faulty(Heard::Error(error))) => Frame::error(answer.stream(), &error.body()),
                Some(Awaited::Faulty(Heard::Cut)) => {
                    self.cut.notify_one();
                    continue;
                }
                Some(Awaited::Late(told)) => {
                    // Nobody waits for it when the node is gone.
                    let _ = told.send(());
                    continue;
                }
            };
            // A client that has gone does not keep delayed requests from their node.
            let _ = self.tell_client(&heard).await;
        }
        Ok(())
    }

    /// Takes note of a request, and says what happens to it.
    fn judge(&self, request: &Frame) -> Option<Fault> {
        let statement = match request.asked()? {
            Asked::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Asked::Prepared(id) => self.shared.recall(&id),
        };
        let kind = match request.opcode() {
            Opcode::Prepare => {
                self.await_answer(request.stream(), Awaited::Prepare(statement));
                return None;
            }
            Opcode::Query => Kind::Query,
            Opcode::Execute => Kind::Execute,
            Opcode::Batch => Kind::Batch,
            Opcode::Error | Opcode::Result | Opcode::Other => return None,
        };
        self.shared.judge(kind, statement)
    }

    /// Waits, has it executed, and waits until it is.
    async fn tell_node_late(self: Arc<Self>, request: Frame, delay: Duration) {
        sleep(delay).await;
        let (told, executed) = oneshot::channel();
        self.await_answer(request.stream(), Awaited::Late(told));
        if self.tell_node(&request).await.is_ok() {
            // It fails when the connection ends, and then there is nothing to wait for.
            let _ = executed.await;
        }
    }

    fn await_answer(&self, stream: i16, awaited: Awaited) {
        self.awaited().insert(stream, awaited);
    }

    fn awaited(&self) -> std::sync::MutexGuard<'_, HashMap<i16, Awaited>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell_node(&self, request: &Frame) -> io::Result<()> {
        self.to_node.lock().await.write_all(request.bytes()).await
    }

    /// Does nothing when the client has gone.
    async fn tell_client(&self, answer: &Frame) -> io::Result<()> {
        match &mut *self.to_client.lock().await {
            Some(to_client) => to_client.write_all(answer.bytes()).await,
            None => Ok(()),
        }
    }
}
