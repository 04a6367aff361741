use curfew_domain::{AccountEvent as E, Actor, Fact, Reason, Role};

use super::*;

pub(crate) fn samples() -> Vec<Fact> {
    let by = Actor::Account(admin());
    let events = vec![
        E::Registered { account_id: holder(), role: Role::Viewer },
        E::RoleChanged { from: Role::Viewer, to: Role::Auditor, by: Actor::System },
        E::Suspended { by, reason_hash: hash(), cancelled: displaced(), at: at(5) },
        E::Reinstated { by, at: at(6) },
        E::WindowClaimed { request: request(), at: at(0) },
        E::WindowReleased { booking_id: booking(), window: window(60, 120), at: at(10) },
        E::WindowMoved { change: shortening(), is_restored: false, at: at(80) },
        E::SignedIn { at: at(1) },
        E::SignInRefused { reason: Reason::BadToken, count: 12, since: at(2) },
        E::PasswordChanged { by: Actor::Account(holder()), at: at(3) },
    ];
    events.into_iter().map(Fact::Account).collect()
}
