//! What is open at a time: a bound in all, a bound per address, and who makes room when one is reached.
//!
//! A connection that does nothing (no request is being answered on it, and nobody signed in on its WebSocket) is the first
//! to go, the one that has done nothing for the longest first. So a thousand idle sockets keep nobody out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use prometheus_client::metrics::gauge::Gauge;

use super::TurnedAway;
use crate::address::one_client;

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    /// 0 for no bound.
    most_per_address: usize,
    /// How many are open, for whoever wants to know.
    count: Gauge,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<u64, Open>,
    /// Connections by when they began to idle.
    idle: BTreeMap<u64, u64>,
    per_address: HashMap<IpAddr, usize>,
    /// The last number given, to a connection or to a beginning of idleness.
    last: u64,
}

#[derive(Debug)]
struct Open {
    address: Option<IpAddr>,
    idle_since: Option<u64>,
    closer: Arc<Closer>,
}

/// Ends a connection from outside of its task.
#[derive(Debug, Default)]
pub(super) struct Closer {
    closed: AtomicBool,
    waker: AtomicWaker,
}

impl Closer {
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it is closed; if not, the task of `cx` is woken when it is.
    pub(super) fn is_closed(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.closed.load(Ordering::Acquire)
    }
}

/// Held by a connection for as long as it is open, also after an upgrade took it away from HTTP.
#[derive(Debug)]
pub(super) struct Slot {
    /// None for one that is only told why it is turned away.
    held: Option<(Arc<Slots>, u64)>,
    pub(super) closer: Arc<Closer>,
}

/// A connection's place among the others, in its requests' extensions: what it says of its use decides who makes room.
#[derive(Clone, Debug)]
pub struct Place {
    slots: Arc<Slots>,
    id: u64,
    _visit: Option<Arc<Visit>>,
}

/// One request, or one WebSocket, of an address behind a trusted proxy.
#[derive(Debug)]
struct Visit {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Slots {
    pub(super) fn new(most: usize, most_per_address: usize, count: Gauge) -> Self {
        Self { most, most_per_address, count, inner: Mutex::default() }
    }

    /// A slot for a connection that counts for `address`. It idles until its first request.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<(Slot, Place), TurnedAway> {
        let address = address.map(one_client);
        let mut inner = self.inner();
        if let Some(address) = address
            && self.is_full_for(&inner, address)
            && !inner.make_room(Some(address))
        {
            return Err(TurnedAway::AddressFull);
        }
        if inner.open.len() >= self.most && !inner.make_room(None) {
            return Err(TurnedAway::Full);
        }
        let id = inner.next();
        let closer = Arc::new(Closer::default());
        inner.open.insert(id, Open { address, idle_since: None, closer: Arc::clone(&closer) });
        inner.set_idle(id);
        if let Some(address) = address {
            *inner.per_address.entry(address).or_default() += 1;
        }
        drop(inner);
        self.count.inc();
        let place = Place { slots: Arc::clone(self), id, _visit: None };
        Ok((Slot { held: Some((Arc::clone(self), id)), closer }, place))
    }

    fn is_full_for(&self, inner: &Inner, address: IpAddr) -> bool {
        self.most_per_address > 0
            && inner.per_address.get(&address).is_some_and(|count| *count >= self.most_per_address)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn set_idle(&mut self, id: u64) {
        let now = self.next();
        if let Some(open) = self.open.get_mut(&id) {
            if let Some(before) = open.idle_since.replace(now) {
                self.idle.remove(&before);
            }
            self.idle.insert(now, id);
        }
    }

    fn set_in_use(&mut self, id: u64) {
        if let Some(since) = self.open.get_mut(&id).and_then(|open| open.idle_since.take()) {
            self.idle.remove(&since);
        }
    }

    /// Closes the connection that idles longest, of this address or of all; false when none idles.
    fn make_room(&mut self, of: Option<IpAddr>) -> bool {
        let fits = |id: &u64| of.is_none() || self.open.get(id).is_some_and(|open| open.address == of);
        let Some(id) = self.idle.values().find(|id| fits(id)).copied() else { return false };
        if let Some(open) = self.remove(id) {
            open.closer.close();
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(since) = open.idle_since {
            self.idle.remove(&since);
        }
        if let Some(address) = open.address {
            self.leave(address);
        }
        Some(open)
    }

    fn leave(&mut self, address: IpAddr) {
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
    }
}

impl Slot {
    pub(super) fn none() -> Self {
        Self { held: None, closer: Arc::default() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((slots, id)) = &self.held {
            slots.inner().remove(*id);
            slots.count.dec();
        }
    }
}

impl Place {
    /// From here on the connection does something, and stays.
    pub fn in_use(&self) {
        self.slots.inner().set_in_use(self.id);
    }

    /// From here on it makes room when room is needed.
    pub fn idle(&self) {
        self.slots.inner().set_idle(self.id);
    }

    /// Counts the request for a client behind a trusted proxy, until the last clone of what this gives is gone. None when
    /// that client has as many as one may have.
    pub fn visited_by(&self, address: IpAddr) -> Option<Self> {
        let address = one_client(address);
        let mut inner = self.slots.inner();
        if self.slots.is_full_for(&inner, address) {
            return None;
        }
        *inner.per_address.entry(address).or_default() += 1;
        drop(inner);
        let visit = Visit { slots: Arc::clone(&self.slots), address };
        Some(Self { _visit: Some(Arc::new(visit)), ..self.clone() })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.slots.inner().leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::task::noop_waker_ref;

    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));

    fn slots(most: usize, most_per_address: usize) -> Arc<Slots> {
        Arc::new(Slots::new(most, most_per_address, Gauge::default()))
    }

    fn is_closed(slot: &Slot) -> bool {
        slot.closer.is_closed(&Context::from_waker(noop_waker_ref()))
    }

    #[test]
    fn the_longest_idle_makes_room_and_who_is_in_use_stays() {
        let slots = slots(3, 0);
        let take = || slots.take(HERE).expect("a slot");
        let ((busy, at), (first, _), (second, place)) = (take(), take(), take());
        at.in_use();
        place.in_use();
        place.idle();
        let (third, _) = take();
        assert_eq!([&busy, &first, &second, &third].map(is_closed), [false, true, false, false]);
        drop(first);
        let (fourth, _) = take();
        assert_eq!([&busy, &second, &third, &fourth].map(is_closed), [false, true, false, false]);
    }

    #[test]
    fn when_all_are_in_use_the_next_is_turned_away_until_one_goes() {
        let slots = slots(1, 0);
        let (slot, place) = slots.take(HERE).expect("a slot");
        place.in_use();
        assert_eq!(slots.take(THERE).expect_err("full"), TurnedAway::Full);
        drop(slot);
        assert!(slots.take(THERE).is_ok());
        place.idle();
        assert_eq!(slots.inner().idle.len(), 0, "a place that is gone has no say");
    }

    #[test]
    fn an_address_has_its_own_bound_and_its_own_idle_ones() {
        let slots = slots(10, 1);
        let (there, _) = slots.take(THERE).expect("a slot");
        let (slot, place) = slots.take(HERE).expect("a slot");
        let (next, at) = slots.take(HERE).expect("the idle one of the same address makes room");
        assert_eq!([&there, &slot, &next].map(is_closed), [false, true, false]);
        place.in_use();
        at.in_use();
        assert_eq!(slots.take(HERE).expect_err("full"), TurnedAway::AddressFull);
        assert!(slots.take(None).is_ok(), "what counts for nobody has no bound of an address");
        drop((slot, next));
        assert!(slots.take(HERE).is_ok());
    }

    #[test]
    fn requests_behind_a_proxy_count_for_who_sent_them_while_they_last() {
        let slots = slots(10, 1);
        let (_slot, place) = slots.take(None).expect("a slot");
        let client = IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1]);
        let neighbour = IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]);
        let visit = place.visited_by(client).expect("the first");
        let longer = visit.clone();
        assert!(place.visited_by(neighbour).is_none(), "one client may choose the lower half at will");
        drop(visit);
        assert!(place.visited_by(client).is_none());
        drop(longer);
        assert!(place.visited_by(client).is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let slots = slots(2, 2);
        let taken: Vec<_> = (0..5).filter_map(|_| slots.take(HERE).ok()).collect();
        drop(taken);
        let inner = slots.inner();
        assert!(inner.open.is_empty() && inner.idle.is_empty() && inner.per_address.is_empty());
    }
}
