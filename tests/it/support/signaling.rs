//! A signaling client that waits for facts.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Signaling(WebSocketStream<MaybeTlsStream<TcpStream>>, Option<u16>);

impl Signaling {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        Self::open_with(addr, "/ws", &[]).await.expect("connects").0
    }

    pub(crate) async fn open_with(
        addr: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response), Error> {
        let mut request = format!("ws://{addr}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("a header's value"));
        }
        let (socket, response) = connect_async(request).await?;
        Ok((Self(socket, None), response))
    }

    /// Connects and registers with this token.
    pub(crate) async fn registered(addr: SocketAddr, user_type: &str, token: &str) -> Self {
        let mut signaling = Self::open(addr).await;
        signaling.say("register", json!({"userId": "ignored", "userType": user_type, "token": token})).await;
        signaling.hear("registered").await;
        signaling
    }

    pub(crate) async fn say(&mut self, event: &str, data: Value) {
        self.raw(json!({"event": event, "data": data}).to_string()).await;
    }

    pub(crate) async fn raw(&mut self, text: String) {
        self.send(Message::text(text)).await;
    }

    pub(crate) async fn send(&mut self, frame: Message) {
        // The server may have closed already; what it said before is still to be heard.
        let _ = self.0.send(frame).await;
    }

    /// The data of the next message, which has to be this one.
    pub(crate) async fn hear(&mut self, event: &str) -> Value {
        let message = self.next().await.unwrap_or_else(|| panic!("closed instead of {event}"));
        assert_eq!(message["event"], event, "{message}");
        message["data"].clone()
    }

    /// The data of the first message of this kind; others before it are passed over.
    pub(crate) async fn hear_at_last(&mut self, event: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("closed before {event}"));
            if message["event"] == event {
                return message["data"].clone();
            }
        }
    }

    pub(crate) async fn hear_error(&mut self, code: &str) {
        let error = self.hear_at_last("error").await;
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|words| words.len() > 10), "{error}");
    }

    /// Waits until the server has closed; its code (RFC 6455, section 7.4), if it gave one.
    pub(crate) async fn hear_close(&mut self) -> Option<u16> {
        while self.next().await.is_some() {}
        self.1
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            let frame = timeout(LONG, self.0.next()).await.expect("a message within the time");
            match frame {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(text.as_str()).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    self.1 = frame.map(|frame| frame.code.into());
                    return None;
                }
                Some(Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}
