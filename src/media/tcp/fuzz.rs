//! Fuzz body of the framing: what strangers write into a connection.

use super::super::config::MAX_DATAGRAM;
use super::framing::{Deframer, HEADER, TooLong, append};

/// The same bytes as one piece, byte by byte, and cut as they say themselves: the same frames come out, none longer than a
/// datagram, up to the same refusal; and written again they are read again.
pub(in super::super) fn frames(stream: &[u8]) {
    let whole = taken([stream]);
    assert_eq!(taken(stream.chunks(1)), whole);
    assert_eq!(taken(pieces(stream)), whole);
    let (frames, _) = whole;
    let mut written = Vec::new();
    for frame in &frames {
        assert!((1..=MAX_DATAGRAM).contains(&frame.len()));
        assert!(append(&mut written, frame));
    }
    assert_eq!(taken([&written[..]]), (frames, Ok(())));
}

/// The frames of `pieces`, and whether all of it were some.
fn taken<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
    let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
    for piece in pieces {
        let result = deframer.take(piece, |frame| frames.push(frame.to_vec()));
        if result.is_err() {
            return (frames, result);
        }
        assert!(deframer.kept() < HEADER + MAX_DATAGRAM, "less than one frame is kept");
    }
    (frames, Ok(()))
}

/// Each piece as long as its own first byte says.
fn pieces(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::from(*stream.first()?).clamp(1, stream.len());
        let (piece, rest) = stream.split_at(length);
        stream = rest;
        Some(piece)
    })
}
