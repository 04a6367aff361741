use crate::{Reason, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("there is no such account")]
    NotRegistered,
    #[error("the id already names another account")]
    AlreadyRegistered,
    #[error("the account is suspended")]
    Suspended,
    #[error("the window is empty")]
    EmptyWindow,
    #[error("the window is over")]
    WindowOver,
    #[error("the account has another booking in this window")]
    Busy,
    #[error("the account has as many bookings ahead as it may have")]
    TooManyWindows,
    #[error("the booking has no window here")]
    NoSuchWindow,
    #[error("the booking's window was released")]
    WindowReleased,
    #[error("a reason is required")]
    ReasonRequired,
}

impl Refusal for AccountError {
    fn reason(&self) -> Reason {
        match self {
            Self::NotRegistered => Reason::NotFound,
            Self::AlreadyRegistered => Reason::Conflict,
            Self::Suspended => Reason::Suspended,
            Self::EmptyWindow => Reason::Invalid,
            Self::WindowOver | Self::WindowReleased => Reason::WindowClosed,
            Self::Busy => Reason::AccountBusy,
            Self::TooManyWindows => Reason::OutsideRules,
            Self::NoSuchWindow => Reason::NoActiveBooking,
            Self::ReasonRequired => Reason::ReasonRequired,
        }
    }
}
