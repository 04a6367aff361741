//! The server's end of an agent's signaling, as far as publishing needs it.

use std::time::Duration;

use curfew::agent::AgentConfig;
use curfew::protocol::{
    ClientMessage, IncomingAnswer, Publish, Registered, ServerMessage, SessionDescription, UserType,
};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const LONG: Duration = Duration::from_secs(20);

/// Fails the test where a fact does not come.
pub(crate) async fn fact<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.unwrap_or_else(|_| panic!("no {what} within {LONG:?}"))
}

/// Where an agent finds what it takes for a server.
pub(crate) struct RobotServer {
    pub(crate) listener: TcpListener,
}

impl RobotServer {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("binds") }
    }

    /// An agent that dials here.
    pub(crate) fn agent(&self, sources: &[&str]) -> AgentConfig {
        let server = format!("http://{}", self.listener.local_addr().expect("bound"));
        let sources = sources.iter().map(|text| text.parse().expect("a source")).collect();
        AgentConfig::new(server, "curfew_robot_test".into(), sources, "arm-1".into())
    }

    /// Takes the agent's next connection and registers it.
    pub(crate) async fn accept(&self) -> RobotLink<TcpStream> {
        let (tcp, _) = fact("connection", self.listener.accept()).await.expect("accepts");
        RobotLink::register(tcp).await
    }
}

pub(crate) struct RobotLink<S>(WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> RobotLink<S> {
    pub(crate) async fn register(stream: S) -> Self {
        // The type of the error is tungstenite's.
        #[allow(clippy::result_large_err)]
        let check = |request: &Request, response: Response| {
            assert_eq!(request.headers()["authorization"], "Bearer curfew_robot_test");
            assert_eq!(request.uri(), "/ws");
            Ok(response)
        };
        let mut link = Self(fact("handshake", accept_hdr_async(stream, check)).await.expect("a WebSocket"));
        let ClientMessage::Register(register) = link.next().await else { panic!("not registered first") };
        assert_eq!((register.user_type, register.token), (UserType::Robot, None));
        let registered = Registered { success: true, user_id: "robot".into(), user_type: UserType::Robot };
        link.send(&ServerMessage::Registered(registered)).await;
        link
    }

    pub(crate) async fn send(&mut self, message: &ServerMessage) {
        self.0.send(Message::text(message.to_text())).await.expect("sends");
    }

    pub(crate) async fn publish(&mut self, cameras: Option<&[&str]>, in_ms: u64) {
        let cameras = cameras.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        self.send(&ServerMessage::Publish(Publish { cameras, in_ms })).await;
    }

    pub(crate) async fn next(&mut self) -> ClientMessage {
        fact("message", async {
            loop {
                match self.0.next().await.expect("open").expect("a frame") {
                    Message::Text(text) => return serde_json::from_str(text.as_str()).expect("a message"),
                    Message::Close(_) => panic!("the agent closed the link"),
                    _ => {}
                }
            }
        })
        .await
    }

    pub(crate) async fn offer(&mut self) -> String {
        let ClientMessage::Offer(offer) = self.next().await else { panic!("an offer is awaited") };
        offer.offer.sdp
    }

    pub(crate) async fn answer(&mut self, sdp: String) {
        let answer = SessionDescription::answer(sdp);
        self.send(&ServerMessage::Answer(IncomingAnswer { from: "server".into(), answer })).await;
    }
}
