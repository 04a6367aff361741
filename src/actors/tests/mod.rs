//! A whole lab in virtual time: log, projector, media and actors are real, the clock is not.

mod absent;
mod between;
mod bookings;
mod changes;
mod crowd;
mod guests;
mod kept_out;
mod once;
mod publishing;
mod recovery;
mod sessions;
mod standing;
mod steps;
mod world;
