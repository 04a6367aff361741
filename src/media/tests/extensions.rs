//! Header extensions: what robot and viewer both negotiated is carried, under the viewer's id.

use std::time::Duration;

use super::client::{Client, ORIENTATION, h264};
use super::world::{HOUR, World, viewer_kind};

const FRAME: Duration = Duration::from_millis(10);

/// Gives the orientation another id in an offer; `None` takes it out.
fn renumbered(offer: &str, id: Option<u8>) -> String {
    let lines = offer.lines().filter_map(|line| match (line.ends_with(ORIENTATION), id) {
        (false, _) => Some(format!("{line}\r\n")),
        (true, Some(id)) => Some(format!("a=extmap:{id} {ORIENTATION}\r\n")),
        (true, None) => None,
    });
    lines.collect()
}

#[test]
fn extensions_are_carried_under_each_viewers_ids() {
    let mut world = World::new(1);
    let (now, hour) = (world.mono(), world.in_future(HOUR));
    let robot = Client::robot(now, World::address(1), &[("front", h264())]);
    world.negotiate_as(1, robot, super::world::publisher_kind(), hour, |offer| renumbered(&offer, Some(9)));
    for (n, id) in [(2, Some(13)), (3, None)] {
        let viewer = Client::viewer(now, World::address(n), 1);
        world.negotiate_as(n, viewer, viewer_kind(7), hour, |offer| renumbered(&offer, id));
    }
    world.connect(&[1, 2, 3]);
    world.client(1).orientation = Some((9, 2));
    world.film(1, 5, FRAME);
    world.client(1).orientation = Some((8, 3));
    world.film(1, 5, FRAME);
    world.pass(FRAME * 10);
    let with = &world.clients[&2];
    assert_eq!(
        with.extensions,
        [(with.sections[0], 13, vec![2])].into(),
        "8 is nothing the robot negotiated"
    );
    assert_eq!(world.clients[&3].extensions, [].into());
    assert_eq!((with.frames.len(), world.clients[&3].frames.len()), (10, 10));
}
