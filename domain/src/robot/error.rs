use crate::{Reason, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RobotError {
    #[error("there is no such robot")]
    NotRegistered,
    #[error("the id already names another robot")]
    AlreadyRegistered,
    #[error("the robot is retired")]
    Retired,
    #[error("a field is empty or too long: {0}")]
    Invalid(&'static str),
    #[error("the robot has no such credential")]
    UnknownCredential,
    #[error("the robot has as many credentials as it may have")]
    TooManyCredentials,
    #[error("the window is empty")]
    EmptyWindow,
    #[error("the window is over")]
    WindowOver,
    #[error("the slot is taken")]
    SlotTaken,
    #[error("the robot is under maintenance")]
    UnderMaintenance,
    #[error("another maintenance is ahead")]
    OtherMaintenance,
    #[error("the booking has no slot here")]
    NoSuchSlot,
    #[error("the booking's slot was released")]
    SlotReleased,
    #[error("a reason is required")]
    ReasonRequired,
    #[error("the emergency stop is not engaged")]
    NotStopped,
    #[error("the robot has no such credential")]
    NoSuchCredential,
}

impl Refusal for RobotError {
    fn reason(&self) -> Reason {
        match self {
            Self::NotRegistered | Self::NoSuchCredential => Reason::NotFound,
            Self::AlreadyRegistered
            | Self::TooManyCredentials
            | Self::OtherMaintenance
            | Self::NotStopped => Reason::Conflict,
            Self::Retired => Reason::NotAvailable,
            Self::Invalid(_) | Self::EmptyWindow => Reason::Invalid,
            Self::UnknownCredential => Reason::BadToken,
            Self::WindowOver | Self::SlotReleased => Reason::WindowClosed,
            Self::SlotTaken => Reason::SlotTaken,
            Self::UnderMaintenance => Reason::UnderMaintenance,
            Self::NoSuchSlot => Reason::NoActiveBooking,
            Self::ReasonRequired => Reason::ReasonRequired,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::OtherMaintenance => {
                "The robot has another maintenance ahead: end that first, or let this one reach it."
                    .to_owned()
            }
            Self::NoSuchCredential => "This robot has no such credential.".to_owned(),
            Self::NotStopped => "The robot's emergency stop is not engaged.".to_owned(),
            Self::Retired => "This robot is retired: choose another.".to_owned(),
            Self::TooManyCredentials => {
                "The robot has as many credentials as it may have: revoke one first.".to_owned()
            }
            Self::EmptyWindow => "The end must be later than the beginning.".to_owned(),
            Self::Invalid(field @ ("slug" | "type")) => {
                format!("`{field}` has 1 to 64 letters, digits, hyphens, points and underscores, and is no id.")
            }
            Self::Invalid("name") => "`name` is one line of at most 120 bytes.".to_owned(),
            Self::Invalid("cameras") => {
                "`cameras` are one or more different names of letters, digits, hyphens, points and underscores.".to_owned()
            }
            Self::Invalid(field) => format!("`{field}` is not allowed."),
            other => other.reason().text().to_owned(),
        }
    }
}
