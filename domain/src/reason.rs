//! The closed enums of the log: roles, why something ended, why something was refused. The texts for people stand here
//! and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    Viewer,
    Admin,
    Auditor,
}

impl Role {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a session, a room or a peer connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    WindowClosed,
    Cancelled,
    TerminatedByAdmin,
    AccountSuspended,
    CredentialRevoked,
    Maintenance,
    RobotLost,
    ParticipantLeft,
    ServerStopped,
    Replaced,
}

impl Cause {
    /// The name on the wire and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WindowClosed => "window_closed",
            Self::Cancelled => "cancelled",
            Self::TerminatedByAdmin => "terminated_by_admin",
            Self::AccountSuspended => "account_suspended",
            Self::CredentialRevoked => "credential_revoked",
            Self::Maintenance => "maintenance",
            Self::RobotLost => "robot_lost",
            Self::ParticipantLeft => "participant_left",
            Self::ServerStopped => "server_stopped",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    BadToken,
    NoActiveBooking,
    NotYourBooking,
    WindowNotOpen,
    WindowClosed,
    Suspended,
    WrongRole,
    OriginRefused,
    NotFound,
    SlotTaken,
    /// The robot is under maintenance then; for clients a slot that is taken.
    UnderMaintenance,
    AccountBusy,
    OutsideRules,
    RoomFull,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    ReasonRequired,
    NotAvailable,
    RateLimited,
    Unavailable,
    NotInControl,
    RobotOffline,
}

impl Reason {
    /// The stable code of REST and signaling.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadToken => "bad_token",
            Self::NoActiveBooking => "no_active_booking",
            Self::NotYourBooking => "not_your_booking",
            Self::WindowNotOpen => "window_not_open",
            Self::WindowClosed => "window_closed",
            Self::Suspended => "suspended",
            Self::WrongRole => "wrong_role",
            Self::OriginRefused => "origin_refused",
            Self::NotFound => "not_found",
            Self::SlotTaken | Self::UnderMaintenance => "slot_taken",
            Self::AccountBusy => "account_busy",
            Self::OutsideRules => "outside_rules",
            Self::RoomFull => "room_full",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Invalid => "invalid",
            Self::ReasonRequired => "reason_required",
            Self::NotAvailable => "not_available",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::NotInControl => "not_in_control",
            Self::RobotOffline => "robot_offline",
        }
    }

    /// One sentence for a person.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadToken => "Your sign-in is not valid or has expired. Please sign in again.",
            Self::NoActiveBooking => "There is no active booking for this.",
            Self::NotYourBooking => "This booking belongs to somebody else.",
            Self::WindowNotOpen => "The booked window has not begun yet.",
            Self::WindowClosed => "The booked window is over.",
            Self::Suspended => "This account is suspended.",
            Self::WrongRole => "Your role does not allow this.",
            Self::OriginRefused => "Requests from this origin are not allowed.",
            Self::NotFound => "There is no such thing here.",
            Self::SlotTaken => "The robot is already booked in this window.",
            Self::UnderMaintenance => "The robot is under maintenance in this window.",
            Self::AccountBusy => "You already have a booking that overlaps this window.",
            Self::OutsideRules => "The lab's rules do not allow this window.",
            Self::RoomFull => "The room has no free place left.",
            Self::Conflict => "This cannot be done in the present state.",
            Self::TooLarge => "This is larger than allowed.",
            Self::UnsupportedMediaType => "This media type is not supported.",
            Self::Invalid => "The request is not valid.",
            Self::ReasonRequired => "A reason is required for this.",
            Self::NotAvailable => "This is not available.",
            Self::RateLimited => "Too many requests. Please wait a moment.",
            Self::Unavailable => "The server cannot do this right now. Please try again.",
            Self::NotInControl => "You are not in control of the robot.",
            Self::RobotOffline => "The robot is offline.",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What every aggregate's error can tell the outside.
pub trait Refusal: std::error::Error {
    fn reason(&self) -> Reason;

    /// One sentence for a person, more exact than the reason's where there is more to say.
    fn detail(&self) -> String {
        self.reason().text().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_are_the_serialised_names() {
        for cause in [Cause::WindowClosed, Cause::TerminatedByAdmin, Cause::ServerStopped, Cause::Replaced] {
            assert_eq!(serde_json::to_value(cause).expect("serialises"), cause.name());
        }
        for reason in [Reason::BadToken, Reason::RoomFull, Reason::UnsupportedMediaType] {
            assert_eq!(serde_json::to_value(reason).expect("serialises"), reason.code());
        }
        for role in [Role::Viewer, Role::Admin, Role::Auditor] {
            assert_eq!(serde_json::to_value(role).expect("serialises"), role.name());
        }
    }
}
