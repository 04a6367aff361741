//! Tests of several parts together, over real sockets.

mod relay;
