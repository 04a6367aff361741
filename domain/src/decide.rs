//! What all aggregates share: a decision is a pure function from state and command to facts.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

/// `decide` looks at the state and answers with the facts that follow, without changing anything. `Aggregate::handle` is
/// `decide`, then `apply` for each fact.
///
/// A command that was already carried out yields no facts and is no error.
pub trait Decide: Aggregate<Services = ()> {
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;
}

/// The body of every aggregate's `handle`.
pub(crate) async fn write_decision<A: Decide>(
    aggregate: &mut A,
    command: A::Command,
    sink: &EventSink<A>,
) -> Result<(), A::Error> {
    for event in aggregate.decide(command)? {
        sink.write(event, aggregate).await;
    }
    Ok(())
}
