//! A client of the signaling WebSocket.

use curfew::protocol::{ClientMessage, JoinRoom, JoinedRoom, Register, ServerMessage, UserType};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::client::Gone;

/// A connection that is registered.
pub(crate) struct Signaling {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Signaling {
    /// Connects to the server at `http_url` and registers as a viewer.
    pub(crate) async fn connect(http_url: &str, token: &str) -> Result<Self, Gone> {
        let url = format!("{}/ws", http_url.replacen("http", "ws", 1));
        let (socket, _) = tokio_tungstenite::connect_async(url).await.map_err(|_| Gone)?;
        let mut this = Self { socket };
        let token = Some(token.to_owned());
        let register = Register { user_id: None, user_type: UserType::Viewer, token };
        this.send(&ClientMessage::Register(register)).await?;
        match this.next().await? {
            ServerMessage::Registered(_) => Ok(this),
            other => panic!("registering was answered by {other:?}"),
        }
    }

    /// Joins a room; the server's code where it refuses.
    pub(crate) async fn join(&mut self, room: &str) -> Result<Result<JoinedRoom, String>, Gone> {
        let join = JoinRoom { room_id: room.to_owned() };
        self.send(&ClientMessage::JoinRoom(join)).await?;
        loop {
            match self.next().await? {
                ServerMessage::JoinedRoom(joined) => return Ok(Ok(joined)),
                ServerMessage::Error(error) => return Ok(Err(error.code)),
                _ => {}
            }
        }
    }

    pub(crate) async fn send(&mut self, message: &ClientMessage) -> Result<(), Gone> {
        let text = serde_json::to_string(message).expect("serialises");
        self.socket.send(Message::text(text)).await.map_err(|_| Gone)
    }

    pub(crate) async fn next(&mut self) -> Result<ServerMessage, Gone> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("a message of the protocol"));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                Some(Ok(_)) => {}
            }
        }
    }
}
