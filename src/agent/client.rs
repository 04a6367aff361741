//! A client's end of the signaling WebSocket: connect, register, exchange messages, notice a dead server.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Uri};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::protocol::{ClientMessage, ErrorMessage, Register, ServerMessage, UserType};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const REGISTER_WITHIN: Duration = Duration::from_secs(5);
const WRITE_WITHIN: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(3);
/// A server that says nothing for so long, not even to a ping, is gone.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// An answer with many candidates stays far below.
const MESSAGE_MAX: usize = 256 * 1024;
const WRITE_BUFFER_MAX: usize = 1024 * 1024;

/// Where the signaling WebSocket of a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    path: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("`{0}` is no server address: use http://HOST:PORT")]
    Malformed(String),
    #[error(
        "{0} is not available yet in this version: use http, behind a TLS proxy on the same machine or network"
    )]
    NotAvailable(&'static str),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(server: &str) -> Result<Self, EndpointError> {
        let malformed = || EndpointError::Malformed(server.to_owned());
        let uri: Uri = server.parse().map_err(|_| malformed())?;
        match uri.scheme_str() {
            Some("http" | "ws") => {}
            Some("https") => return Err(EndpointError::NotAvailable("https")),
            Some("wss") => return Err(EndpointError::NotAvailable("wss")),
            _ => return Err(malformed()),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(malformed)?;
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(malformed());
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: format!("{}/ws", uri.path().trim_end_matches('/')),
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    #[error("no connection within {} s", CONNECT_WITHIN.as_secs())]
    ConnectTimeout,
    #[error("the WebSocket failed: {0}")]
    WebSocket(#[from] tungstenite::Error),
    #[error("the token has characters that no token has")]
    Token,
    #[error("not registered: {message} ({code})")]
    Refused { code: String, message: String },
    #[error("not registered within {} s", REGISTER_WITHIN.as_secs())]
    RegisterTimeout,
    #[error("the server said nothing for {} s", SILENT_FOR.as_secs())]
    Silent,
    #[error("the server took nothing for {} s", WRITE_WITHIN.as_secs())]
    Stuck,
    #[error("the server closed the connection")]
    Closed,
}

/// A registered connection.
pub(crate) struct SignalingClient {
    socket: WebSocketStream<TcpStream>,
    local_ip: IpAddr,
    ping: Interval,
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
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        tcp.set_nodelay(true)?;
        let local_ip = tcp.local_addr()?.ip();
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX))
            .max_write_buffer_size(WRITE_BUFFER_MAX);
        let (socket, _) = client_async_with_config(request(endpoint, token)?, tcp, Some(config)).await?;
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { socket, local_ip, ping, last_heard: Instant::now() })
    }

    /// This machine's address on the way to the server.
    pub(crate) fn local_ip(&self) -> IpAddr {
        self.local_ip
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
                _ = self.ping.tick() => {
                    if self.last_heard.elapsed() >= SILENT_FOR {
                        return Err(ClientError::Silent);
                    }
                    self.write(Message::Ping(Vec::new().into())).await?;
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
    let Endpoint { host, port, path } = endpoint;
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
    bearer.set_sensitive(true);
    Request::builder()
        .uri(format!("ws://{authority}{path}"))
        .header("Host", authority)
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

    fn check(server: &str, expected: Result<(&str, u16, &str), EndpointError>) {
        let parsed: Result<Endpoint, _> = server.parse();
        let expected =
            expected.map(|(host, port, path)| Endpoint { host: host.into(), port, path: path.into() });
        assert_eq!(parsed, expected, "{server}");
    }

    #[test]
    fn a_server_address_becomes_the_address_of_its_websocket() {
        check("http://127.0.0.1:8080", Ok(("127.0.0.1", 8080, "/ws")));
        check("http://lab.example", Ok(("lab.example", 80, "/ws")));
        check("ws://lab.example/curfew/", Ok(("lab.example", 80, "/curfew/ws")));
        check("http://[::1]:8080", Ok(("::1", 8080, "/ws")));
        check("https://lab.example", Err(EndpointError::NotAvailable("https")));
        for malformed in ["", "lab.example:8080", "ftp://lab.example", "http://lab?token=x", "http://u:p@lab"]
        {
            check(malformed, Err(EndpointError::Malformed(malformed.into())));
        }
    }

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
