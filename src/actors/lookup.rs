//! Finds what a hint names. Hints only choose among what the caller may have; they never say who the caller is.

use std::sync::Arc;

use curfew_domain::{AccountId, BookingId, Reason, RobotChoice, RobotId, RoomId, Window};
use curfew_projections::{BookingRow, RobotRow, Status};

use super::account::AccountSide;
use super::booking::BookingSide;
use super::lab::RoomHint;
use super::refusal::{Answer, Refused};
use super::robot::RobotSide;
use super::shell::Shell;

/// Bytes of a hint.
const LONGEST_HINT: usize = 256;

/// Bookings of one account that are looked through, at most, a page at a time.
const PAGE: usize = 500;
const PAGES: usize = 20;

impl Shell {
    /// The robot of an id or a slug, in service or not.
    pub(crate) async fn robot_named(&self, id_or_slug: &str) -> Answer<RobotRow> {
        if id_or_slug.len() > LONGEST_HINT {
            return Err(Refused::not_found("robot"));
        }
        self.reads.robot(id_or_slug).await?.ok_or_else(|| Refused::not_found("robot"))
    }

    /// The type that is booked, and the robots to try, in order: those that seem free first, so that the common case needs one try.
    pub(crate) async fn candidates(
        self: &Arc<Self>,
        choice: &RobotChoice,
        window: &Window,
    ) -> Answer<(String, Vec<RobotId>)> {
        let of_type = match choice {
            RobotChoice::Id(id) => {
                let robot = self.state::<RobotSide>(*id).await?;
                let profile = robot.profile().filter(|_| robot.is_in_service());
                let profile = profile.ok_or_else(|| Refused::not_found("robot"))?;
                return Ok((profile.robot_type.clone(), vec![*id]));
            }
            RobotChoice::Type(robot_type) => robot_type,
        };
        let fleet = self.reads.fleet().await?;
        let fits = |robot: &&RobotRow| !robot.retired && robot.robot_type == *of_type;
        let ids: Vec<RobotId> = fleet.iter().filter(fits).map(|robot| robot.robot_id).collect();
        if ids.is_empty() {
            return Err(Refused::because(Reason::NotFound, "There is no robot of this type."));
        }
        let (now, buffer_s) = (self.clock.wall(), self.rules().buffer_s);
        let (mut free, mut taken) = (Vec::new(), Vec::new());
        for id in ids {
            let robot = self.state::<RobotSide>(id).await?;
            if robot.is_free(window, buffer_s, now) { free.push(id) } else { taken.push(id) }
        }
        free.append(&mut taken);
        Ok((of_type.clone(), free))
    }

    /// The room of a hint, and the booking whose it is; a watch has none.
    pub(crate) async fn place_of(
        self: &Arc<Self>,
        hint: &RoomHint,
        account: AccountId,
    ) -> Answer<(RoomId, Option<BookingId>)> {
        let text = hint.0.trim();
        if text.len() > LONGEST_HINT {
            return Err(Refused::invalid("The room's name is too long."));
        }
        if let Ok(room) = text.parse::<RoomId>() {
            if let Some(live) = self.rooms.get(room) {
                return Ok((room, live.place().booking));
            }
            if let Ok(booking) = text.parse::<BookingId>()
                && let Some(state) = self.state::<BookingSide>(booking).await?.state()
            {
                return Ok((state.room_id, Some(booking)));
            }
            if let Some(row) = self.reads.booking_in(room).await? {
                return Ok((room, Some(row.booking_id)));
            }
            return Err(Refused::new(Reason::NoActiveBooking));
        }
        let of_type =
            text.strip_prefix("robot_").and_then(|rest| rest.rsplit_once('_')).map(|(kind, _)| kind);
        let of_type = of_type.ok_or_else(|| Refused::invalid("The room's name is not understood."))?;
        let row = self.next_booking(account, |row| row.robot_type == of_type).await?;
        let row = row.ok_or_else(|| Refused::new(Reason::NoActiveBooking))?;
        Ok((row.room_id, Some(row.booking_id)))
    }

    /// The account's booking that is live or comes next, among those that are `meant`.
    pub(crate) async fn next_booking(
        self: &Arc<Self>,
        account: AccountId,
        is_meant: impl Fn(&BookingRow) -> bool,
    ) -> Answer<Option<BookingRow>> {
        let now = self.clock.wall();
        let mut found = Vec::new();
        for claim in self.state::<AccountSide>(account).await?.claims() {
            found.extend(self.reads.booking(claim.booking_id).await?);
        }
        let mut after = None;
        for _ in 0..PAGES {
            let page = self.reads.bookings(Some(account), after, PAGE).await?;
            after = page.last().map(|row| row.booking_id);
            let is_last = page.len() < PAGE;
            found.extend(page);
            if is_last {
                break;
            }
        }
        // A session that runs has not ended, whatever the wall clock says.
        let is_ahead = |row: &BookingRow| row.status == Status::Active || !row.window.has_ended(now);
        found.retain(|row| row.status.is_live() && is_ahead(row) && is_meant(row));
        Ok(found.into_iter().min_by_key(|row| row.window.starts_at))
    }
}
