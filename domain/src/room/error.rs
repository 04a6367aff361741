use crate::{Reason, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    #[error("the room has not opened")]
    NotOpen,
    #[error("the room is closed")]
    Closed,
    #[error("the id already names another room")]
    AlreadyOpened,
    #[error("the room's deadline has come")]
    PastDeadline,
    #[error("the room is full")]
    Full,
    #[error("an admin enters a watch, not the session's room")]
    AdminNeedsWatch,
    #[error("only admins enter a watch")]
    WatchIsForAdmins,
    #[error("a reason is required")]
    ReasonRequired,
    #[error("a watch has no booking, a session's room has one")]
    KindMismatch,
    #[error("not a participant of this room")]
    NotAParticipant,
    #[error("the peer was terminated")]
    PeerTerminated,
    #[error("there is no such peer in this room")]
    UnknownPeer,
    #[error("somebody else is in control")]
    ControlHeld,
}

impl Refusal for RoomError {
    fn reason(&self) -> Reason {
        match self {
            Self::NotOpen => Reason::WindowNotOpen,
            Self::Closed | Self::PastDeadline | Self::PeerTerminated => Reason::WindowClosed,
            Self::AlreadyOpened => Reason::Conflict,
            Self::Full => Reason::RoomFull,
            Self::AdminNeedsWatch | Self::ReasonRequired => Reason::ReasonRequired,
            Self::WatchIsForAdmins => Reason::WrongRole,
            Self::KindMismatch => Reason::Invalid,
            Self::NotAParticipant => Reason::NoActiveBooking,
            Self::UnknownPeer => Reason::NotFound,
            Self::ControlHeld => Reason::NotInControl,
        }
    }
}
