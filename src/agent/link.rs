//! The task that holds one signaling connection and passes messages both ways.

use std::net::IpAddr;

use tokio::sync::mpsc;

use super::client::{ClientError, SignalingClient};
use super::core::LinkId;
use super::endpoint::Endpoint;
use crate::protocol::{ClientMessage, ServerMessage, UserType};

/// Messages that wait to be written. The agent sends few.
const OUTGOING: usize = 16;

/// What a link tells the agent.
pub(super) enum LinkEvent {
    /// Registered; the address is this machine's on the way to the server.
    Up {
        local_ip: IpAddr,
    },
    Message(ServerMessage),
    /// The last thing a link says, and why.
    Lost(Option<ClientError>),
}

/// Starts a link; it ends when the sender is dropped or the server is gone.
pub(super) fn start(
    id: LinkId,
    endpoint: Endpoint,
    token: String,
    name: String,
    inbox: mpsc::Sender<(LinkId, LinkEvent)>,
) -> mpsc::Sender<ClientMessage> {
    let (outgoing, to_send) = mpsc::channel(OUTGOING);
    tokio::spawn(async move {
        let why = hold(id, &endpoint, &token, &name, &inbox, to_send).await.err();
        let _ = inbox.send((id, LinkEvent::Lost(why))).await;
    });
    outgoing
}

async fn hold(
    id: LinkId,
    endpoint: &Endpoint,
    token: &str,
    name: &str,
    inbox: &mpsc::Sender<(LinkId, LinkEvent)>,
    mut to_send: mpsc::Receiver<ClientMessage>,
) -> Result<(), ClientError> {
    let mut client = SignalingClient::connect(endpoint, token, UserType::Robot, name).await?;
    let local_ip = client.local_ip();
    if inbox.send((id, LinkEvent::Up { local_ip })).await.is_err() {
        return Ok(());
    }
    loop {
        tokio::select! {
            message = to_send.recv() => match message {
                Some(message) => client.send(&message).await?,
                None => {
                    client.close().await;
                    return Ok(());
                }
            },
            message = client.next() => {
                if inbox.send((id, LinkEvent::Message(message?))).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}
