//! The signaling protocol's messages as types (`docs/PROTOCOL.md`), for both ends: server, robot agent, load generator.
//!
//! Only shapes live here: no transport, no rules, no state. Names are camel case because existing clients speak so.

pub mod stamp;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A WebSocket text frame from a client: `{"event": NAME, "data": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum ClientMessage {
    Register(Register),
    JoinRoom(JoinRoom),
    Offer(OutgoingOffer),
    Answer(OutgoingAnswer),
    IceCandidate(OutgoingCandidate),
    LeaveRoom(#[serde(default)] Empty),
    EmergencyStop(RobotStop),
}

impl ClientMessage {
    /// The events a client may send, for telling an unknown event from malformed data.
    pub const EVENTS: [&'static str; 7] =
        ["register", "join-room", "offer", "answer", "ice-candidate", "leave-room", "emergency-stop"];
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserType {
    Viewer,
    Robot,
}

/// `userId` is a hint that is never trusted: who somebody is comes from the token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    #[serde(default)]
    pub user_id: Option<String>,
    pub user_type: UserType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl std::fmt::Debug for Register {
    /// Leaves the token out, so that no log can show it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register")
            .field("user_id", &self.user_id)
            .field("user_type", &self.user_type)
            .finish()
    }
}

/// A robot's word that it stands still: the answer to an `emergency-stop` that is engaged, or one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RobotStop {
    pub engaged: bool,
    #[serde(default)]
    pub reason: Option<String>,
    /// Of the `emergency-stop` that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRoom {
    pub room_id: String,
}

/// An SDP description, RFC 8829; `type` is `offer` or `answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    #[serde(rename = "type")]
    pub kind: SdpType,
    pub sdp: String,
}

impl SessionDescription {
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Offer, sdp: sdp.into() }
    }

    pub fn answer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Answer, sdp: sdp.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    Offer,
    Answer,
}

/// `RTCIceCandidateInit` of the WebRTC specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidateInit {
    pub candidate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    pub sdp_mline_index: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingOffer {
    /// A hint whom the offer is for; where it goes is derived from the connection.
    #[serde(default)]
    pub to: Option<String>,
    pub offer: SessionDescription,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingAnswer {
    #[serde(default)]
    pub to: Option<String>,
    pub answer: SessionDescription,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingCandidate {
    #[serde(default)]
    pub to: Option<String>,
    /// `None` (JSON null) says that no further candidate comes.
    pub candidate: Option<IceCandidateInit>,
}

/// A WebSocket text frame from the server, and (the `session-*` ones) a message of the `session` data channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum ServerMessage {
    Registered(Registered),
    JoinedRoom(JoinedRoom),
    LeftRoom(Empty),
    UserJoined(User),
    UserLeft(User),
    RobotAvailable(UserRef),
    RobotUnavailable(UserRef),
    Publish(Publish),
    Unpublish(Empty),
    Offer(IncomingOffer),
    Answer(IncomingAnswer),
    IceCandidate(IncomingCandidate),
    SessionStarted(SessionStarted),
    SessionWarning(SessionWarning),
    SessionChanged(SessionChanged),
    SessionEnded(SessionEnded),
    EmergencyStop(EmergencyStop),
    Error(ErrorMessage),
}

impl ServerMessage {
    /// The frame's text.
    pub fn to_text(&self) -> String {
        // Serialising these types cannot fail: no map has keys other than strings. Should it ever, the far end gets an
        // error instead of silence.
        serde_json::to_string(self).unwrap_or_else(|_| {
            r#"{"event":"error","data":{"code":"unavailable","message":"The server could not write its message."}}"#
                .to_owned()
        })
    }

    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Error(ErrorMessage { code: code.into(), message: message.into() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    pub success: bool,
    pub user_id: String,
    pub user_type: UserType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    /// The window has not begun: nobody is admitted yet.
    Waiting,
    Open,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinedRoom {
    pub room_id: String,
    #[serde(with = "millis")]
    pub ends_at: DateTime<Utc>,
    #[serde(with = "millis")]
    pub server_time: DateTime<Utc>,
    /// `holder`, `guest`, `admin` or `robot`.
    pub role: String,
    pub state: RoomState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub user_id: String,
    pub user_type: UserType,
    /// An admin who watches the robot from a room of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watch: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRef {
    pub user_id: String,
}

/// Asks a `relay` robot to publish until `in_ms` milliseconds from now, by the robot's own boot clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publish {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cameras: Option<Vec<String>>,
    pub in_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingOffer {
    pub from: String,
    pub offer: SessionDescription,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingAnswer {
    pub from: String,
    pub answer: SessionDescription,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingCandidate {
    pub from: String,
    pub candidate: Option<IceCandidateInit>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionStarted {
    pub room_id: String,
    #[serde(with = "millis")]
    pub starts_at: DateTime<Utc>,
    #[serde(with = "millis")]
    pub ends_at: DateTime<Utc>,
    #[serde(with = "millis")]
    pub server_time: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionWarning {
    pub room_id: String,
    pub seconds_left: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionChanged {
    pub room_id: String,
    #[serde(with = "millis")]
    pub ends_at: DateTime<Utc>,
    pub reason: String,
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEnded {
    pub room_id: String,
    /// A cause of the domain in snake case, such as `window_closed`.
    pub cause: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(with = "millis")]
    pub ended_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmergencyStop {
    pub robot_id: String,
    pub engaged: bool,
    pub reason: String,
    /// Names a stop that is engaged, for the robot's answer; people are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// Snake case and stable; the codes of `docs/PROTOCOL.md`.
    pub code: String,
    /// One sentence for a person.
    pub message: String,
}

/// What is wrong with a text that could not be read, for whoever wrote it: the beginning of the parser's words, which may
/// quote all of the text.
pub(crate) fn in_few_words(error: &serde_json::Error) -> String {
    const MOST: usize = 120;
    let words = error.to_string();
    if words.chars().count() <= MOST {
        return words;
    }
    let place = format!(" (line {}, column {})", error.line(), error.column());
    words.chars().take(MOST).chain(['…']).chain(place.chars()).collect()
}

/// RFC 3339 in UTC with milliseconds, the form of every time on the wire.
pub mod millis {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn to_string(at: &DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_string(at))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::<Utc>::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &ServerMessage, expected: &str) {
        assert_eq!(message.to_text(), expected);
        assert_eq!(&serde_json::from_str::<ServerMessage>(expected).expect("parses back"), message);
    }

    #[test]
    fn server_messages_have_the_documented_form() {
        let at = DateTime::from_timestamp_millis(1_800_000_000_123).expect("in range");
        check(
            &ServerMessage::SessionEnded(SessionEnded {
                room_id: "r".into(),
                cause: "window_closed".into(),
                reason: None,
                ended_at: at,
            }),
            r#"{"event":"session-ended","data":{"roomId":"r","cause":"window_closed","endedAt":"2027-01-15T08:00:00.123Z"}}"#,
        );
        check(
            &ServerMessage::Publish(Publish { cameras: None, in_ms: 5 }),
            r#"{"event":"publish","data":{"inMs":5}}"#,
        );
        check(&ServerMessage::LeftRoom(Empty {}), r#"{"event":"left-room","data":{}}"#);
    }

    #[test]
    fn existing_clients_messages_are_understood() {
        let register: ClientMessage = serde_json::from_str(
            r#"{"event":"register","data":{"userId":"robot_pi_001","userType":"robot"}}"#,
        )
        .expect("register");
        assert!(matches!(register, ClientMessage::Register(Register { user_type: UserType::Robot, .. })));
        let candidate: ClientMessage = serde_json::from_str(
            r#"{"event":"ice-candidate","data":{"to":"x","candidate":{"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"u"}}}"#,
        )
        .expect("candidate");
        assert!(
            matches!(candidate, ClientMessage::IceCandidate(OutgoingCandidate { candidate: Some(c), .. }) if c.sdp_mline_index == Some(0))
        );
        let end: ClientMessage =
            serde_json::from_str(r#"{"event":"ice-candidate","data":{"to":"x","candidate":null}}"#)
                .expect("end of candidates");
        assert!(matches!(end, ClientMessage::IceCandidate(OutgoingCandidate { candidate: None, .. })));
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let register =
            Register { user_id: None, user_type: UserType::Viewer, token: Some("secret-token".into()) };
        assert!(!format!("{register:?}").contains("secret-token"));
    }
}
