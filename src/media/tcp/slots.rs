//! Which connections may be open: a bound in all, a bound per address, and for how long one may be there without showing
//! what for. It knows no sockets, only the numbers of connections.
//!
//! Whoever has not proved yet to belong to a peer makes room first, the one that has had most time for it before others;
//! then those over which nothing came for a while. A connection that is used stays.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::config::TcpLimits;
use crate::address::one_client;

/// A connection over which nothing came for so long makes room. A browser checks the one it uses every 2.5 s.
const QUIET_AFTER: Duration = Duration::from_secs(15);
/// Who was heard is noted so often at most.
const NOTED_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Admitted,
    /// Admitted, and this one has to go.
    InPlaceOf(usize),
    Refused,
}

#[derive(Debug)]
pub(super) struct Slots {
    limits: TcpLimits,
    open: HashMap<usize, Open>,
    all: Order,
    of_address: HashMap<IpAddr, Order>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    address: IpAddr,
    proven: bool,
    /// When it was opened, or heard of last.
    since: Instant,
}

/// Connections in the order in which they make room.
#[derive(Debug, Default)]
struct Order {
    unproven: BTreeSet<(Instant, usize)>,
    proven: BTreeSet<(Instant, usize)>,
}

impl Order {
    fn len(&self) -> usize {
        self.unproven.len() + self.proven.len()
    }

    fn first(&self) -> Option<usize> {
        self.unproven.first().or(self.proven.first()).map(|(_, id)| *id)
    }

    fn insert(&mut self, id: usize, open: Open) {
        let among = if open.proven { &mut self.proven } else { &mut self.unproven };
        among.insert((open.since, id));
    }

    fn remove(&mut self, id: usize, open: Open) {
        let among = if open.proven { &mut self.proven } else { &mut self.unproven };
        among.remove(&(open.since, id));
    }
}

impl Slots {
    pub(super) fn new(limits: TcpLimits) -> Self {
        Self { limits, open: HashMap::new(), all: Order::default(), of_address: HashMap::new() }
    }

    /// A connection of `address` wants in.
    pub(super) fn enter(&mut self, now: Instant, id: usize, address: IpAddr) -> Entry {
        let address = one_client(address);
        let of_address = self.of_address.get(&address);
        let first = match of_address.filter(|order| order.len() >= self.limits.per_address) {
            Some(order) => order.first(),
            None if self.all.len() >= self.limits.connections => self.all.first(),
            None => {
                self.set(id, Open { address, proven: false, since: now });
                return Entry::Admitted;
            }
        };
        let Some(first) = first.filter(|first| self.makes_room(now, *first)) else { return Entry::Refused };
        self.leave(first);
        self.set(id, Open { address, proven: false, since: now });
        Entry::InPlaceOf(first)
    }

    fn makes_room(&self, now: Instant, id: usize) -> bool {
        self.open
            .get(&id)
            .is_some_and(|open| !open.proven || now.saturating_duration_since(open.since) >= QUIET_AFTER)
    }

    /// Something came over it that belongs to a peer.
    pub(super) fn heard(&mut self, now: Instant, id: usize) {
        let Some(open) = self.open.get(&id).copied() else { return };
        if !open.proven || now.saturating_duration_since(open.since) >= NOTED_EVERY {
            self.leave(id);
            self.set(id, Open { proven: true, since: now, ..open });
        }
    }

    pub(super) fn is_proven(&self, id: usize) -> bool {
        self.open.get(&id).is_some_and(|open| open.proven)
    }

    /// It is closed.
    pub(super) fn leave(&mut self, id: usize) {
        let Some(open) = self.open.remove(&id) else { return };
        self.all.remove(id, open);
        if let Some(order) = self.of_address.get_mut(&open.address) {
            order.remove(id, open);
            if order.len() == 0 {
                self.of_address.remove(&open.address);
            }
        }
    }

    fn set(&mut self, id: usize, open: Open) {
        self.open.insert(id, open);
        self.all.insert(id, open);
        self.of_address.entry(open.address).or_default().insert(id, open);
    }

    /// A connection whose time is over.
    pub(super) fn overdue(&self, now: Instant) -> Option<usize> {
        self.first_ends().into_iter().flatten().find(|(end, _)| *end <= now).map(|(_, id)| id)
    }

    /// When the next connection's time is over.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.first_ends().into_iter().flatten().map(|(end, _)| end).min()
    }

    fn first_ends(&self) -> [Option<(Instant, usize)>; 2] {
        let end = |order: &BTreeSet<(Instant, usize)>, limit| {
            order.first().map(|(since, id)| (*since + limit, *id))
        };
        [end(&self.all.unproven, self.limits.prove_timeout), end(&self.all.proven, self.limits.idle_timeout)]
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn host(n: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
    }

    fn slots(connections: usize, per_address: usize) -> (Slots, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        let limits = TcpLimits { connections, per_address, ..TcpLimits::default() };
        (Slots::new(limits), move |ms| start + Duration::from_millis(ms))
    }

    #[test]
    fn whoever_proved_nothing_longest_makes_room_before_anybody_who_did() {
        let (mut slots, at) = slots(3, 3);
        for id in 0..3 {
            assert_eq!(slots.enter(at(id), id as usize, host(id as u8)), Entry::Admitted);
        }
        slots.heard(at(3), 0);
        assert_eq!(slots.enter(at(60_000), 3, host(3)), Entry::InPlaceOf(1));
        assert_eq!(slots.enter(at(60_001), 4, host(4)), Entry::InPlaceOf(2));
        assert_eq!(slots.len(), 3);
    }

    #[test]
    fn who_is_used_stays_and_who_is_quiet_makes_room() {
        let (mut slots, at) = slots(2, 2);
        for id in [0, 1] {
            slots.enter(at(0), id, host(1 + id as u8));
            slots.heard(at(0), id);
        }
        assert_eq!(slots.enter(at(14_000), 2, host(3)), Entry::Refused);
        slots.heard(at(14_000), 0);
        assert_eq!(slots.enter(at(15_000), 3, host(3)), Entry::InPlaceOf(1));
        assert!(slots.is_proven(0) && !slots.is_proven(1));
    }

    #[test]
    fn an_address_has_a_bound_of_its_own_and_makes_room_itself() {
        let (mut slots, at) = slots(10, 2);
        slots.enter(at(0), 0, host(1));
        slots.enter(at(1), 1, host(2));
        slots.enter(at(2), 2, host(2));
        assert_eq!(slots.enter(at(3), 3, host(2)), Entry::InPlaceOf(1));
        slots.heard(at(4), 2);
        slots.heard(at(4), 3);
        assert_eq!(slots.enter(at(5), 4, host(2)), Entry::Refused);
        assert_eq!(slots.enter(at(5), 5, host(1)), Entry::Admitted);
        let client = IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1]);
        let neighbour = IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]);
        slots.enter(at(6), 6, client);
        slots.enter(at(7), 7, client);
        assert_eq!(
            slots.enter(at(8), 8, neighbour),
            Entry::InPlaceOf(6),
            "one client has all of its network"
        );
    }

    #[test]
    fn the_time_to_prove_and_the_time_to_be_quiet_are_over_to_the_instant() {
        let (mut slots, at) = slots(10, 10);
        slots.enter(at(0), 0, host(1));
        slots.enter(at(1_000), 1, host(1));
        slots.heard(at(2_000), 1);
        assert_eq!((slots.poll_timeout(), slots.overdue(at(4_999))), (Some(at(5_000)), None));
        assert_eq!(slots.overdue(at(5_000)), Some(0));
        slots.leave(0);
        assert_eq!((slots.poll_timeout(), slots.overdue(at(61_999))), (Some(at(62_000)), None));
        slots.heard(at(2_500), 1);
        assert_eq!(slots.overdue(at(62_000)), Some(1));
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let (mut slots, at) = slots(3, 2);
        for id in 0..20 {
            slots.enter(at(id), id as usize, host(id as u8 % 5));
            slots.heard(at(id), id as usize);
        }
        for id in 0..20 {
            slots.leave(id);
        }
        assert!(slots.open.is_empty() && slots.of_address.is_empty() && slots.all.len() == 0);
    }
}
