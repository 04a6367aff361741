//! A bounded queue that drops the oldest, so that a viewer who is slow loses its own packets and nobody else's.

use std::collections::VecDeque;

/// Room for so many items is kept; what a bad moment needed beyond is given back.
const KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct DropOldest<T> {
    items: VecDeque<T>,
    capacity: usize,
    pub(super) dropped: u64,
}

impl<T> DropOldest<T> {
    /// `capacity` of zero counts as one.
    pub(super) fn new(capacity: usize) -> Self {
        Self { items: VecDeque::new(), capacity: capacity.max(1), dropped: 0 }
    }

    pub(super) fn push(&mut self, item: T) {
        if self.items.len() == self.capacity {
            self.items.pop_front();
            self.dropped += 1;
        }
        self.items.push_back(item);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front();
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items.shrink_to(KEPT);
        }
        item
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Drops all that waits.
    pub(super) fn clear(&mut self) {
        self.dropped += self.items.len() as u64;
        self.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_its_oldest() {
        let mut queue = DropOldest::new(2);
        for item in 1..=5 {
            queue.push(item);
        }
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(4), Some(5), None));
        assert_eq!(queue.dropped, 3);
    }

    #[test]
    fn an_emptied_queue_gives_back_its_room() {
        let mut queue = DropOldest::new(1_000);
        (0..1_000).for_each(|item| queue.push(item));
        while queue.pop().is_some() {}
        assert!(queue.items.capacity() < 2 * KEPT);
    }
}
