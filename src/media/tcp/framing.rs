//! Datagrams on a stream (RFC 4571, 2): each behind its length, two bytes, most significant first.

use super::super::config::MAX_DATAGRAM;

pub(super) const HEADER: usize = 2;

/// A frame longer than any datagram that is read: what comes after it means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes a stream apart, whatever the pieces it comes in.
#[derive(Debug, Default)]
pub(super) struct Deframer {
    /// The beginning of a frame whose end has not come.
    begun: Vec<u8>,
}

impl Deframer {
    /// Gives every frame that ends in `bytes` to `take`, in order. Empty ones are none: RFC 4571 calls them null packets.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if self.begun.is_empty() {
                self.begun.extend_from_slice(whole_frames(bytes, &mut take)?);
                return Ok(());
            }
            let wanted = HEADER + frame_length(&self.begun)?.unwrap_or(0);
            let missing = wanted.saturating_sub(self.begun.len());
            let (more, rest) = bytes.split_at(missing.min(bytes.len()));
            self.begun.extend_from_slice(more);
            bytes = rest;
            if whole_frames(&self.begun, &mut take)?.is_empty() {
                self.begun.clear();
            }
        }
        Ok(())
    }

    /// Bytes of the frame whose end has not come.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept(&self) -> usize {
        self.begun.len()
    }
}

/// Takes the frames off the beginning; what is left is less than one.
fn whole_frames<'a>(mut bytes: &'a [u8], take: &mut impl FnMut(&[u8])) -> Result<&'a [u8], TooLong> {
    while let Some(length) = frame_length(bytes)?
        && let Some((frame, rest)) = bytes.split_at_checked(HEADER + length)
    {
        if length > 0 {
            take(&frame[HEADER..]);
        }
        bytes = rest;
    }
    Ok(bytes)
}

/// The length in the header that `bytes` begin with; `None` while it is not all there.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*header));
    if length > MAX_DATAGRAM { Err(TooLong) } else { Ok(Some(length)) }
}

/// Appends `datagram` as a frame; `false`, and nothing is appended, when it is longer than a frame can be.
pub(super) fn append(to: &mut Vec<u8>, datagram: &[u8]) -> bool {
    let Ok(length) = u16::try_from(datagram.len()) else { return false };
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(datagram);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(datagrams: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        assert!(datagrams.iter().all(|datagram| append(&mut stream, datagram)));
        stream
    }

    fn taken(deframer: &mut Deframer, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut frames = Vec::new();
        deframer.take(bytes, |frame| frames.push(frame.to_vec())).map(|()| frames)
    }

    #[test]
    fn half_a_frame_is_nothing_until_the_other_half_comes() {
        let mut deframer = Deframer::default();
        for piece in [&[0][..], &[3, 7], &[8]] {
            assert_eq!(taken(&mut deframer, piece), Ok(vec![]));
        }
        assert_eq!(taken(&mut deframer, &[9, 0, 1, 5, 0]), Ok(vec![vec![7, 8, 9], vec![5]]));
        assert_eq!(taken(&mut deframer, &[1, 6]), Ok(vec![vec![6]]));
    }

    #[test]
    fn empty_frames_are_no_datagrams() {
        let mut deframer = Deframer::default();
        assert_eq!(taken(&mut deframer, &[0, 0, 0, 0, 0]), Ok(vec![]));
        assert_eq!(taken(&mut deframer, &[0, 0, 1, 4]), Ok(vec![vec![4]]));
        assert_eq!(deframer.kept(), 0, "nothing is kept of them");
    }

    #[test]
    fn a_frame_longer_than_a_datagram_is_refused_by_its_length_alone() {
        let longest = framed(&[vec![1; MAX_DATAGRAM]]);
        assert_eq!(taken(&mut Deframer::default(), &longest).map(|frames| frames.len()), Ok(1));
        for header in [0xffff, MAX_DATAGRAM as u16 + 1].map(u16::to_be_bytes) {
            assert_eq!(taken(&mut Deframer::default(), &header), Err(TooLong));
            let mut by_bytes = Deframer::default();
            assert_eq!(taken(&mut by_bytes, &header[..1]), Ok(vec![]));
            assert_eq!(taken(&mut by_bytes, &header[1..]), Err(TooLong));
        }
    }

    #[test]
    fn what_no_frame_can_hold_is_not_written() {
        let mut stream = vec![1];
        assert!(!append(&mut stream, &vec![0; 65_536]));
        assert_eq!(stream, [1]);
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_datagrams_come_out(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let stream = framed(&datagrams);
            let (mut deframer, mut rest, mut frames) = (Deframer::default(), &stream[..], Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                frames.extend(taken(&mut deframer, piece).expect("no frame is too long"));
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(frames, datagrams);
        }

        #[test]
        fn garbage_keeps_no_more_than_one_frame(bytes in prop::collection::vec(any::<u8>(), 0..6_000)) {
            let mut deframer = Deframer::default();
            for piece in bytes.chunks(7) {
                if taken(&mut deframer, piece).is_err() {
                    break;
                }
                prop_assert!(deframer.kept() < HEADER + MAX_DATAGRAM);
            }
        }
    }
}
