//! Fuzz body: text frames as a stranger sends them.

use super::connection::parse;
use super::limits::Bucket;
use crate::clock::BootInstant;
use crate::protocol::{ClientMessage, Register, ServerMessage};

/// The longest error that a frame may be answered with, bytes: an answer is no echo of a flood.
const LONGEST_ERROR: usize = 512;

/// Frames, one a line: each is understood, and means the same when written and read again, or is refused in few words.
pub fn signaling(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut bucket = Bucket::new(100, 200, BootInstant::default());
    for (number, frame) in (0u64..).zip(text.split('\n')) {
        bucket.take(BootInstant::from_nanos(number * 1_000_000));
        match parse(frame) {
            Ok(message) => {
                let written = serde_json::to_string(&message).expect("what was read can be written");
                assert_eq!(parse(&written).expect("what was written can be read"), message);
                if let ClientMessage::Register(register) = message {
                    let without = Register { token: None, ..register.clone() };
                    assert_eq!(format!("{register:?}"), format!("{without:?}"), "no log shows a token");
                }
            }
            Err(words) => assert!(words.len() <= LONGEST_ERROR, "{} bytes of error", words.len()),
        }
        // A robot reads what a server says with the same care.
        if let Ok(message) = serde_json::from_str::<ServerMessage>(frame) {
            let again: ServerMessage = serde_json::from_str(&message.to_text()).expect("can be read");
            assert_eq!(again.to_text(), message.to_text());
        }
    }
}
