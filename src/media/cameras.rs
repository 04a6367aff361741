//! Which of a robot's streams a camera is, also when the robot comes back with other cameras or in another order.
//!
//! A camera has a *slot* for as long as anybody is connected for the robot. Viewers' sections are tied to slots, so what a
//! section shows never silently becomes another camera.

use super::build::BuiltStream;
use super::codec::Kind;

/// The slot of a robot's sound, of which there is one.
pub(super) const SOUND: usize = usize::MAX;

#[derive(Debug, Default)]
pub(super) struct Cameras {
    /// By slot: the name of the camera that has it, or had it last.
    names: Vec<Option<String>>,
    /// The slots of the cameras that the robot sends now or sent last, in its order.
    order: Vec<usize>,
}

impl Cameras {
    /// Gives the cameras of a robot's offer their slots: a known name keeps its own, the others take the first that are free.
    pub(super) fn publish(&mut self, offered: &mut [BuiltStream]) {
        let mut offered: Vec<_> = offered.iter_mut().filter(|stream| stream.kind == Kind::Video).collect();
        let mut taken = vec![false; self.names.len() + offered.len()];
        let mut slots = Vec::with_capacity(offered.len());
        for camera in offered.iter() {
            let known = self.names.iter().position(|name| name.is_some() && *name == camera.name);
            slots.push(known.filter(|slot| !std::mem::replace(&mut taken[*slot], true)));
        }
        self.names.resize(taken.len(), None);
        self.order.clear();
        for (camera, kept) in offered.iter_mut().zip(slots) {
            let free = || taken.iter().position(|taken| !taken);
            let Some(slot) = kept.or_else(free) else { continue };
            taken[slot] = true;
            self.names[slot].clone_from(&camera.name);
            self.order.push(slot);
            camera.slot = slot;
        }
        let used = taken.iter().rposition(|taken| *taken).map_or(0, |last| last + 1);
        let named = self.names.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.names.truncate(used.max(named));
    }

    /// Ties a viewer's sections to slots: the cameras that are there first, in the robot's order.
    pub(super) fn watch(&self, sections: &mut [BuiltStream]) {
        let others = (0..).filter(|slot| !self.order.contains(slot));
        let sections = sections.iter_mut().filter(|stream| stream.kind == Kind::Video);
        for (section, slot) in sections.zip(self.order.iter().copied().chain(others)) {
            section.slot = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(names: &[&str]) -> Vec<BuiltStream> {
        let name = |name: &&str| Some((*name).to_owned()).filter(|name| !name.is_empty());
        names
            .iter()
            .map(|n| BuiltStream {
                kind: Kind::Video,
                name: name(n),
                slot: 99,
                payloads: Vec::new(),
                ssrc: None,
                rtx_ssrc: None,
                remb: false,
                extensions: Vec::new(),
            })
            .collect()
    }

    fn published(cameras: &mut Cameras, names: &[&str]) -> Vec<usize> {
        let mut offered = offer(names);
        cameras.publish(&mut offered);
        offered.iter().map(|camera| camera.slot).collect()
    }

    fn watched(cameras: &Cameras, sections: usize) -> Vec<usize> {
        let mut sections = offer(&vec![""; sections]);
        cameras.watch(&mut sections);
        sections.iter().map(|section| section.slot).collect()
    }

    #[test]
    fn sections_are_tied_in_the_robots_order_and_before_it_comes_by_number() {
        let mut cameras = Cameras::default();
        assert_eq!(watched(&cameras, 3), [0, 1, 2]);
        assert_eq!(published(&mut cameras, &["front", "rear"]), [0, 1]);
        assert_eq!(watched(&cameras, 3), [0, 1, 2]);
    }

    #[test]
    fn a_name_keeps_its_slot_whatever_the_order_and_the_count() {
        let mut cameras = Cameras::default();
        published(&mut cameras, &["front", "rear"]);
        assert_eq!(published(&mut cameras, &["rear", "arm", "front"]), [1, 2, 0]);
        assert_eq!(watched(&cameras, 2), [1, 2], "who comes now gets the robot's present order");
        assert_eq!(published(&mut cameras, &["rear"]), [1]);
        assert_eq!(watched(&cameras, 2), [1, 0], "a camera that is there comes first");
        assert_eq!(published(&mut cameras, &["front", "rear"]), [0, 1], "front was away and is back");
    }

    #[test]
    fn names_that_are_all_new_or_missing_take_the_slots_from_the_first_on() {
        let mut cameras = Cameras::default();
        published(&mut cameras, &["a", "b"]);
        assert_eq!(published(&mut cameras, &["c", "d"]), [0, 1]);
        assert_eq!(published(&mut cameras, &["", ""]), [0, 1]);
        assert_eq!(published(&mut cameras, &["e", "e"]), [0, 1], "two of one name are two cameras");
        for round in 0..100 {
            published(&mut cameras, &[&format!("{round}"), &format!("{round}b")]);
        }
        assert_eq!(cameras.names.len(), 2, "what is gone is not kept for ever");
    }
}
