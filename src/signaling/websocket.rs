//! The protocol on warp's WebSocket at `/ws`.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::HeaderMap;
use warp::reply::{Reply, Response};
use warp::ws::{Message, WebSocket, Ws};

use super::Signaling;
use super::connection::{Closing, Connection, Frame, Incoming};
use crate::api::listener::Place;

const SUBPROTOCOL: &str = "curfew.v1";
const BEARER_SUBPROTOCOL: &str = "bearer.";
/// How long a closed connection is read from, for the far end to see why.
const LINGER: Duration = Duration::from_secs(1);

/// `GET /ws` with an upgrade. A token may come in the `Authorization` header, as the subprotocol `bearer.<token>` offered
/// beside `curfew.v1`, or later in `register`. Foreign origins and tokens in the URL do not come as far as here.
pub fn routes(signaling: Signaling) -> BoxedFilter<(Response,)> {
    let signaling = Arc::new(signaling);
    warp::path!("ws")
        .and(warp::ws())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Place>())
        .map(move |ws: Ws, headers: HeaderMap, place| accept(&signaling, ws, &headers, place))
        .boxed()
}

fn accept(signaling: &Arc<Signaling>, ws: Ws, headers: &HeaderMap, place: Option<Place>) -> Response {
    let offered = offered_subprotocols(headers);
    let token = bearer_header(headers)
        .or_else(|| offered.iter().find_map(|name| name.strip_prefix(BEARER_SUBPROTOCOL)).map(str::to_owned));
    let selected = offered.iter().any(|name| name == SUBPROTOCOL);
    let signaling = Arc::clone(signaling);
    let bytes = signaling.limits.message_bytes;
    // One byte over the limit is answered with words; what is far over it never reaches memory.
    let ws = ws.max_message_size(2 * bytes).max_frame_size(2 * bytes).max_write_buffer_size(16 * bytes);
    let reply = ws.on_upgrade(move |socket| carry(signaling, socket, token, place));
    if selected {
        warp::reply::with_header(reply, "sec-websocket-protocol", SUBPROTOCOL).into_response()
    } else {
        reply.into_response()
    }
}

fn offered_subprotocols(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect()
}

fn bearer_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Runs one connection to its end. The writer is a task of its own, so that what the server has to say never waits for
/// what the client asked last.
async fn carry(signaling: Arc<Signaling>, socket: WebSocket, token: Option<String>, place: Option<Place>) {
    let send_within = signaling.limits.send_within;
    let (mut sink, stream) = socket.split();
    let (frames, mut queue) = mpsc::channel::<Frame>(signaling.limits.outbox_messages);
    let writer = tokio::spawn(async move {
        while let Some(frame) = queue.recv().await {
            let (message, last) = match frame {
                Frame::Text(text) => (Message::text(text), false),
                Frame::Ping => (Message::ping(Vec::new()), false),
                Frame::Close(Closing { code, words }) => (Message::close_with(code, words), true),
            };
            match tokio::time::timeout(send_within, sink.send(message)).await {
                Ok(Ok(())) if !last => {}
                _ => break,
            }
        }
    });
    let mut incoming =
        stream.take_while(|read| ready(read.is_ok() || is_too_large(read))).map(|read| match read {
            Ok(message) if message.is_text() => {
                Incoming::Text(message.to_str().unwrap_or_default().to_owned())
            }
            Ok(message) if message.is_binary() => Incoming::Unsupported,
            Ok(_) => Incoming::Alive,
            Err(_) => Incoming::TooLarge,
        });
    Connection::new(signaling, frames, token, place).run(&mut incoming).await;
    // What is queued, an error before a close above all, still goes out; `send_within` bounds it.
    let _ = writer.await;
    // A socket that is closed with something unread is reset, and a reset takes back the words that were just sent.
    let unread = async { while incoming.next().await.is_some() {} };
    let _ = tokio::time::timeout(LINGER, unread).await;
}

/// tungstenite says that a message passed its bound only in words.
fn is_too_large(read: &Result<Message, warp::Error>) -> bool {
    read.as_ref().is_err_and(|error| error.to_string().contains("too long"))
}
