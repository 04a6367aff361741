//! A client's end of the signaling WebSocket: connect, register, exchange messages, notice a dead server.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::endpoint::{self, Endpoint, Route, RouteError, Stream};
use crate::protocol::{ClientMessage, ErrorMessage, Register, ServerMessage, UserType};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const REGISTER_WITHIN: Duration = Duration::from_secs(5);
const WRITE_WITHIN: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(3);
/// How often it is looked whether the server is still there, and this machine where it was.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A server that says nothing for so long, not even to a ping, is gone.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// An answer with many candidates stays far below.
const MESSAGE_MAX: usize = 256 * 1024;
const WRITE_BUFFER_MAX: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error("no connection within {} s", CONNECT_WITHIN.as_secs())]
    ConnectTimeout,
    #[error("the WebSocket failed: {0}")]
    WebSocket(tungstenite::Error),
    #[error(
        "the server answers with status {0}: is this a Curfew server's address, and rightly http or https?"
    )]
    Status(u16),
    #[error("the connection broke off")]
    Broken,
    #[error("the token has characters that no token has")]
    Token,
    #[error("not registered: {message} ({code})")]
    Refused { code: String, message: String },
    #[error("not registered within {} s", REGISTER_WITHIN.as_secs())]
    RegisterTimeout,
    #[error("the server said nothing for {} s", SILENT_FOR.as_secs())]
    Silent,
    #[error("this machine's address changed")]
    Moved,
    #[error("the server took nothing for {} s", WRITE_WITHIN.as_secs())]
    Stuck,
    #[error("the server closed the connection")]
    Closed,
}

impl From<tungstenite::Error> for ClientError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(response) => Self::Status(response.status().as_u16()),
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Io(_)
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Broken,
            other => Self::WebSocket(other),
        }
    }
}

/// A registered connection.
pub(crate) struct SignalingClient {
    socket: WebSocketStream<Box<dyn Stream>>,
    local: SocketAddr,
    remote: SocketAddr,
    look: Interval,
    pinged: Instant,
    last_heard: Instant,
}

impl SignalingClient {
    /// Connects, authenticates by the `Authorization` header and registers. `user_id` is a hint for logs of the server.
    pub(crate) async fn connect(
        endpoint: &Endpoint,
        token: &str,
        user_type: UserType,
        user_id: &str,
    ) -> Result<Self, ClientError> {
        let mut client = timeout(CONNECT_WITHIN, Self::open(endpoint, token))
            .await
            .map_err(|_| ClientError::ConnectTimeout)??;
        let register = Register { user_id: Some(user_id.to_owned()), user_type, token: None };
        client.send(&ClientMessage::Register(register)).await?;
        timeout(REGISTER_WITHIN, client.registered()).await.map_err(|_| ClientError::RegisterTimeout)??;
        Ok(client)
    }

    async fn open(endpoint: &Endpoint, token: &str) -> Result<Self, ClientError> {
        let Route { stream, local, remote } = endpoint.connect().await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX))
            .max_write_buffer_size(WRITE_BUFFER_MAX);
        let (socket, _) = client_async_with_config(request(endpoint, token)?, stream, Some(config)).await?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        Ok(Self { socket, local, remote, look, pinged: now, last_heard: now })
    }

    /// This machine's address on the way to the server.
    pub(crate) fn local_ip(&self) -> IpAddr {
        self.local.ip()
    }

    pub(crate) async fn send(&mut self, message: &ClientMessage) -> Result<(), ClientError> {
        // These types always serialise: no map has keys other than strings.
        let text = serde_json::to_string(message).unwrap_or_default();
        self.write(Message::text(text)).await
    }

    /// The server's next message. Messages that this version does not know are passed over. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<ServerMessage, ClientError> {
        loop {
            let frame = tokio::select! {
                frame = self.socket.next() => frame.ok_or(ClientError::Closed)??,
                _ = self.look.tick() => {
                    self.look_around().await?;
                    continue;
                }
            };
            self.last_heard = Instant::now();
            match frame {
                Message::Text(text) => match serde_json::from_str(text.as_str()) {
                    Ok(message) => return Ok(message),
                    Err(error) => tracing::debug!(%error, "a message that this version does not know"),
                },
                Message::Close(_) => return Err(ClientError::Closed),
                _ => {}
            }
        }
    }

    /// Says goodbye, as far as the server still listens.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    async fn look_around(&mut self) -> Result<(), ClientError> {
        if self.last_heard.elapsed() >= SILENT_FOR {
            return Err(ClientError::Silent);
        }
        if self.has_moved() {
            return Err(ClientError::Moved);
        }
        if self.pinged.elapsed() >= PING_EVERY {
            self.pinged = Instant::now();
            self.write(Message::Ping(Vec::new().into())).await?;
        }
        Ok(())
    }

    /// Whether packets to the server would leave from another address by now: this connection is dead then, and would be
    /// noticed so only by its silence. Without any route a cable may be out for a moment, and TCP may mend it.
    fn has_moved(&self) -> bool {
        endpoint::local_ip_toward(self.remote).is_some_and(|now| now != self.local.ip())
    }

    async fn registered(&mut self) -> Result<(), ClientError> {
        loop {
            match self.next().await? {
                ServerMessage::Registered(registered) if registered.success => return Ok(()),
                ServerMessage::Registered(_) => {
                    return Err(ClientError::Refused {
                        code: "refused".into(),
                        message: "no reason given".into(),
                    });
                }
                ServerMessage::Error(ErrorMessage { code, message }) => {
                    return Err(ClientError::Refused { code, message });
                }
                _ => {}
            }
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), ClientError> {
        timeout(WRITE_WITHIN, self.socket.send(message)).await.map_err(|_| ClientError::Stuck)??;
        Ok(())
    }
}

fn request(endpoint: &Endpoint, token: &str) -> Result<Request<()>, ClientError> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
    bearer.set_sensitive(true);
    Request::builder()
        .uri(endpoint.url())
        .header("Host", endpoint.authority())
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .header("Authorization", bearer)
        .body(())
        .map_err(|error| ClientError::WebSocket(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_travels_in_the_header_alone() {
        let endpoint: Endpoint = "http://[::1]:8080".parse().expect("an address");
        let request = request(&endpoint, "secret").expect("a request");
        assert_eq!(request.uri().to_string(), "ws://[::1]:8080/ws");
        assert_eq!(request.headers()["authorization"], "Bearer secret");
        assert!(!format!("{request:?}").contains("secret"), "marked sensitive");
        assert!(matches!(super::request(&endpoint, "a\nb"), Err(ClientError::Token)));
    }
}
