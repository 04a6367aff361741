//! The state machine in virtual time.

use super::*;

fn ms(millis: u64) -> BootInstant {
    BootInstant::from_nanos(millis * 1_000_000)
}

/// A core whose link 1 is up at time 0.
fn connected() -> Core {
    let mut core = Core::new(ms(0), 7);
    assert_eq!(core.handle(ms(0), Event::Tick), [Action::Connect(1)]);
    assert_eq!(core.handle(ms(0), Event::Registered(1)), []);
    assert_eq!(core.next_due(), None);
    core
}

/// A core that publishes stream 2 over link 1 until 10 s.
fn publishing() -> Core {
    let mut core = connected();
    assert_eq!(
        core.handle(ms(0), Event::Publish { link: 1, in_ms: 10_000 }),
        [Action::Offer { stream: 2, link: 1, deadline: ms(10_000) }]
    );
    assert_eq!(core.handle(ms(50), Event::Answered(2)), []);
    core
}

#[test]
fn the_stream_ends_at_its_deadline_by_itself() {
    let mut core = publishing();
    assert_eq!(core.next_due(), Some(ms(10_000)));
    assert_eq!(core.handle(ms(9_999), Event::Tick), []);
    assert_eq!(core.handle(ms(10_000), Event::Tick), [Action::Close { stream: 2, why: CloseWhy::Deadline }]);
    assert_eq!(core.stream(), None);
}

#[test]
fn the_stream_outlives_its_link_but_not_its_deadline() {
    let mut core = publishing();
    assert_eq!(core.handle(ms(100), Event::LinkLost(1)), []);
    assert_eq!(core.stream(), Some(2));
    let mut now = ms(100);
    let mut connects = 0;
    while core.stream().is_some() {
        let due = core.next_due().expect("something is always due without a link");
        assert!(due.saturating_since(now) <= LONGEST_IN_SESSION, "a wait of {:?}", due.saturating_since(now));
        now = due;
        for action in core.handle(now, Event::Tick) {
            match action {
                Action::Connect(link) => {
                    connects += 1;
                    core.handle(now, Event::LinkLost(link));
                }
                Action::Close { stream: 2, why: CloseWhy::Deadline } => assert_eq!(now, ms(10_000)),
                other => panic!("unexpected {other:?}"),
            }
        }
    }
    assert_eq!(now, ms(10_000));
    assert!(connects >= 9, "{connects} attempts in ten seconds");
}

#[test]
fn without_a_session_waits_grow_to_half_a_minute_and_never_end() {
    let mut core = Core::new(ms(0), 7);
    let mut now = ms(0);
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let due = core.next_due().expect("an attempt is due");
        longest = longest.max(due.saturating_since(now));
        now = due;
        let [Action::Connect(link)] = core.handle(now, Event::Tick)[..] else { panic!("no attempt") };
        core.handle(now, Event::LinkLost(link));
    }
    assert!(longest > LONGEST / 2 && longest <= LONGEST);
}

#[test]
fn a_repeated_publish_moves_the_deadline_without_an_offer() {
    let mut core = publishing();
    assert_eq!(
        core.handle(ms(5_000), Event::Publish { link: 1, in_ms: 20_000 }),
        [Action::MoveDeadline { stream: 2, deadline: ms(25_000) }]
    );
    assert_eq!(core.handle(ms(10_000), Event::Tick), []);
    assert_eq!(
        core.handle(ms(11_000), Event::Publish { link: 1, in_ms: 1_000 }),
        [Action::MoveDeadline { stream: 2, deadline: ms(12_000) }]
    );
    assert_eq!(core.handle(ms(12_000), Event::Tick), [Action::Close { stream: 2, why: CloseWhy::Deadline }]);
}

#[test]
fn the_first_publish_of_a_new_link_replaces_the_stream() {
    let mut core = publishing();
    core.handle(ms(100), Event::LinkLost(1));
    let due = core.next_due().expect("an attempt is due");
    assert_eq!(core.handle(due, Event::Tick), [Action::Connect(3)]);
    core.handle(due, Event::Registered(3));
    assert_eq!(core.stream(), Some(2), "media goes on until the server asks anew");
    assert_eq!(
        core.handle(due, Event::Publish { link: 3, in_ms: 5_000 }),
        [
            Action::Close { stream: 2, why: CloseWhy::Replaced },
            Action::Offer { stream: 4, link: 3, deadline: due.saturating_add(Duration::from_secs(5)) }
        ]
    );
    assert_eq!(
        core.handle(due, Event::Publish { link: 1, in_ms: 60_000 }),
        [],
        "an earlier link says nothing"
    );
}

#[test]
fn unpublish_and_a_deadline_of_now_end_the_stream() {
    let close = [Action::Close { stream: 2, why: CloseWhy::Unpublished }];
    assert_eq!(publishing().handle(ms(200), Event::Unpublish(1)), close);
    assert_eq!(publishing().handle(ms(200), Event::Publish { link: 1, in_ms: 0 }), close);
}

#[test]
fn a_failed_stream_is_offered_again_after_a_second_while_there_is_a_link() {
    let mut core = publishing();
    assert_eq!(
        core.handle(ms(2_000), Event::StreamFailed(2)),
        [Action::Close { stream: 2, why: CloseWhy::Failed }]
    );
    assert_eq!(core.handle(ms(2_500), Event::StreamFailed(2)), [], "told once");
    assert_eq!(core.next_due(), Some(ms(3_000)));
    assert_eq!(
        core.handle(ms(3_000), Event::Tick),
        [Action::Offer { stream: 3, link: 1, deadline: ms(10_000) }]
    );
    core.handle(ms(3_100), Event::LinkLost(1));
    core.handle(ms(3_200), Event::StreamFailed(3));
    assert!(core.handle(ms(4_300), Event::Tick).iter().all(|action| matches!(action, Action::Connect(_))));
}

#[test]
fn an_offer_without_an_answer_is_made_anew() {
    let mut core = connected();
    core.handle(ms(0), Event::Publish { link: 1, in_ms: 60_000 });
    assert_eq!(core.next_due(), Some(ms(5_000)));
    assert_eq!(core.handle(ms(5_000), Event::Tick), [Action::Close { stream: 2, why: CloseWhy::Unanswered }]);
    assert_eq!(
        core.handle(ms(6_000), Event::Tick),
        [Action::Offer { stream: 3, link: 1, deadline: ms(60_000) }]
    );
}

#[test]
fn a_link_that_lasted_is_followed_by_a_short_wait() {
    let mut core = Core::new(ms(0), 7);
    let mut now = ms(0);
    for _ in 0..10 {
        now = core.next_due().expect("an attempt is due");
        let [Action::Connect(link)] = core.handle(now, Event::Tick)[..] else { panic!("no attempt") };
        core.handle(now, Event::Registered(link));
        core.handle(now, Event::LinkLost(link));
    }
    let due = core.next_due().expect("an attempt is due");
    assert!(
        due.saturating_since(now) > Duration::from_secs(10),
        "a server that drops us at once is left alone"
    );
    let [Action::Connect(link)] = core.handle(due, Event::Tick)[..] else { panic!("no attempt") };
    core.handle(due, Event::Registered(link));
    let lost = due.saturating_add(SETTLED);
    core.handle(lost, Event::LinkLost(link));
    assert!(core.next_due().expect("due").saturating_since(lost) <= Duration::from_millis(500));
}
