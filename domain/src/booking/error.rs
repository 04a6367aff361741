use crate::{Reason, Refusal, RuleBroken};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookingError {
    #[error("there is no such booking")]
    NotRequested,
    #[error("the id already names another booking")]
    AlreadyRequested,
    #[error("no robot can be tried")]
    NoRobot,
    #[error("{0}")]
    OutsideRules(#[from] RuleBroken),
    #[error("another robot is confirmed")]
    ConfirmedElsewhere,
    #[error("the booking is not confirmed")]
    NotConfirmed,
    #[error("the booking is over")]
    Over,
    #[error("the window has not begun")]
    WindowNotOpen,
    #[error("the window is over")]
    WindowClosed,
    #[error("the window has not ended yet")]
    WindowStillOpen,
    #[error("the session does not run")]
    NotRunning,
    #[error("the booking belongs to somebody else")]
    NotYours,
    #[error("the booking has as many guests as it may have")]
    TooManyGuests,
    #[error("the holder needs no invitation")]
    HolderIsNoGuest,
    #[error("the new end is no later than the present one")]
    NotLonger,
    #[error("the new end is not between now and the present one")]
    NotShorter,
    #[error("another change of the window is on its way")]
    ChangePending,
    #[error("the change was refused or withdrawn")]
    ChangeWithdrawn,
    #[error("a reason is required")]
    ReasonRequired,
}

impl Refusal for BookingError {
    fn reason(&self) -> Reason {
        match self {
            Self::NotRequested => Reason::NotFound,
            Self::NoRobot => Reason::NotFound,
            Self::OutsideRules(broken) => broken.reason(),
            Self::AlreadyRequested
            | Self::ConfirmedElsewhere
            | Self::NotConfirmed
            | Self::WindowStillOpen
            | Self::NotRunning
            | Self::TooManyGuests
            | Self::ChangePending
            | Self::ChangeWithdrawn => Reason::Conflict,
            Self::Over | Self::WindowClosed => Reason::WindowClosed,
            Self::WindowNotOpen => Reason::WindowNotOpen,
            Self::NotYours => Reason::NotYourBooking,
            Self::HolderIsNoGuest | Self::NotLonger | Self::NotShorter => Reason::Invalid,
            Self::ReasonRequired => Reason::ReasonRequired,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::OutsideRules(broken) => broken.to_string(),
            Self::NoRobot => "There is no such robot.".to_owned(),
            Self::NotConfirmed => {
                "The booking is not confirmed yet. Please try again in a moment.".to_owned()
            }
            Self::TooManyGuests => "The booking has as many guests as it may have.".to_owned(),
            Self::HolderIsNoGuest => "The holder needs no invitation.".to_owned(),
            Self::NotLonger => "The new end must be later than the present one.".to_owned(),
            Self::NotShorter => "The new end must lie between now and the present one.".to_owned(),
            Self::ChangePending => "Another change of this booking's window is on its way.".to_owned(),
            other => other.reason().text().to_owned(),
        }
    }
}
