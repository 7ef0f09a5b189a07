//! From the upgraded connection to a socket that is greeted, and its good-bye.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Origin;
use futures_util::StreamExt;
use identity::{AuthError, Caller};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::close::{Close, close_for};
use super::counted::Counted;
use super::frames::Hello;
use super::handover::Handover;
use super::session::{Session, Ws};
use crate::app::App;
use crate::linger::linger;
use crate::rates::{Key, Limit, Quota};
use crate::strict_json::Node;

/// How long the other side may take to answer a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Serves a connection that was upgraded, until it is closed. `read_ahead` came in behind the upgrade request.
pub async fn serve(app: Arc<App>, stream: TcpStream, read_ahead: Bytes, handover: Handover) {
    let Handover { peer, origin, request_id, seat } = handover;
    let frame_bytes_max = app.config.limits.frame_bytes_max;
    // Small buffers: an idle socket costs little. Without a bound on what is written a slow reader would have none.
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(128 * 1024 + 2 * frame_bytes_max)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max));
    // Copied, and let go: it holds all of hyper's read buffer, which would live as long as the socket.
    let begun = read_ahead.to_vec();
    drop(read_ahead);
    let quota = Quota::burst(app.config.limits.frames_burst, app.config.limits.frames_per_s);
    let counted = Counted::new(stream, begun, quota);
    let mut ws = WebSocketStream::from_raw_socket(counted, Role::Server, Some(config)).await;
    // The state of greeting and good-bye is large and short-lived: it must not be part of an idle socket's.
    let close = match Box::pin(greet(&app, &mut ws, peer, origin.as_ref())).await {
        Ok((caller, hello)) => match Box::pin(Session::begin(app, ws, caller, peer, hello, request_id)).await
        {
            Ok(mut session) => {
                let close = session.run().await;
                ws = session.ws;
                close
            }
            Err((returned, close)) => {
                ws = *returned;
                close
            }
        },
        Err(close) => close,
    };
    tracing::debug!(%peer, ?close, "a socket ended");
    Box::pin(say_bye(ws, close)).await;
    drop(seat);
}

/// The first frame, and the caller who sent it. A socket that proves no caller, in whatever way, counts against its address,
/// and against nobody else.
async fn greet(
    app: &App,
    ws: &mut Ws,
    peer: IpAddr,
    origin: Option<&Origin>,
) -> Result<(Caller, Hello), Close> {
    let address = Key::of_address(peer);
    // Taken before anything is known, so that many at once cannot pass together.
    take(app, Limit::FailedHellosOfAddress, address)?;
    let (caller, hello) = prove(app, ws).await?;
    app.rates.give_back(Limit::FailedHellosOfAddress, address);
    take(app, Limit::HellosOfAddress, address)?;
    take(app, Limit::Hellos, Key::NODE)?;
    // No browser, no origin: then it may.
    let Some(origin) = origin else { return Ok((caller, hello)) };
    match app.allows_origin(&caller, origin.as_str()).await {
        Ok(true) => Ok((caller, hello)),
        Ok(false) => Err(Close::Origin),
        Err(_) => Err(Close::Overloaded),
    }
}

fn take(app: &App, limit: Limit, key: Key) -> Result<(), Close> {
    match app.rates.take(limit, key).and_then(|verdict| verdict.retry_after) {
        None => Ok(()),
        Some(_) => Err(Close::Overloaded),
    }
}

/// Waits for the hello, and looks whose token it has.
async fn prove(app: &App, ws: &mut Ws) -> Result<(Caller, Hello), Close> {
    let until = Instant::now() + Duration::from_secs(app.config.limits.hello_timeout_s);
    let text = loop {
        match timeout_at(until, ws.next()).await.map_err(|_| Close::Timeout)? {
            Some(Ok(Message::Text(text))) => break text,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(Close::Binary),
            Some(Ok(Message::Close(_))) | None => return Err(Close::Normal),
            Some(Err(error)) => return Err(close_for(&error)),
        }
    };
    let frame = Node::parse(text.as_str().as_bytes()).map_err(|_| Close::BadFrame)?;
    if frame.field("type").as_ref().and_then(Node::text) != Some("hello") {
        return Err(Close::BadFrame);
    }
    let hello: Hello = frame.decode().map_err(|_| Close::BadFrame)?;
    let caller = app.identity.bearer(&hello.token).await.map_err(|error| match error {
        AuthError::Invalid | AuthError::Expired | AuthError::Revoked => Close::Unauthenticated,
        AuthError::Store(_) => Close::Overloaded,
    })?;
    Ok((caller, hello))
}

/// Says why, and waits a little for the other side to have heard it.
async fn say_bye(mut ws: Ws, close: Close) {
    let frame = CloseFrame { code: close.code().into(), reason: close.reason().into() };
    let bye = async {
        // A connection that is gone hears nothing.
        let _ = ws.close(Some(frame)).await;
        while let Some(Ok(_)) = ws.next().await {}
    };
    // What is late is cut off. After an error nothing more is read as frames, and what is left unread as bytes would
    // reset the connection before the close is heard.
    if timeout(CLOSE_WITHIN, bye).await.is_ok() {
        linger(ws.into_inner().into_inner()).await;
    }
}
