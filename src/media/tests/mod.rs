//! Whole sessions in virtual time: robots and viewers of the same protocol library's client side, against the core, over
//! a simulated network with loss, delay and reordering from a seeded generator.

mod cameras;
mod client;
mod deadline;
mod ends;
mod extensions;
mod hostile;
mod limits;
mod loopback;
mod offers;
mod relay;
mod restart;
mod sound;
mod stats;
mod tcp;
mod world;
