//! A bounded memory of ids, for recognising what was already carried out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many ids are kept. A redelivered command comes within seconds; an older one is caught by compensation.
const KEPT: usize = 64;

/// The last ids that were put in; older ones are forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recent<T>(VecDeque<T>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq> Recent<T> {
    pub(crate) fn contains(&self, item: &T) -> bool {
        self.0.contains(item)
    }

    pub(crate) fn insert(&mut self, item: T) {
        if self.contains(&item) {
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent::default();
        for id in 0..=KEPT {
            recent.insert(id);
        }
        assert!(!recent.contains(&0));
        assert!(recent.contains(&1) && recent.contains(&KEPT));
        assert_eq!(recent.0.len(), KEPT);
    }
}
