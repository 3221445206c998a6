//! Kafka's frames out of a stream that comes in pieces of any size.
//!
//! A length is judged before a byte of its frame is kept, so that a header of 2 GiB costs four bytes. Not here: what
//! is in a frame.
use crate::refusal::{Kind, Refusal};

/// Bytes of the size in front of a frame.
const SIZE: usize = 4;

/// Bytes that are kept for the next frame when there is none: a connection that was busy once is idle for long.
const KEPT: usize = 64 * 1024;

/// Collects one direction's frames. Holds at most one frame and the piece that was fed last.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where the next frame begins; what lies before is done with.
    at: usize,
    max: usize,
}

impl Frames {
    /// Takes frames of at most `max` bytes, their size field not counted.
    pub const fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), at: 0, max }
    }

    /// Takes the next piece of the stream. Take all frames before the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole frame, without its size field. Ask until there is none: then memory is given back.
    ///
    /// # Errors
    /// Its size is negative or more than allowed: the stream is of no use any more.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Refusal> {
        if !self.is_amid() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.at = 0;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((size, rest)) = rest.split_first_chunk::<SIZE>() else { return Ok(None) };
        let size = i32::from_be_bytes(*size);
        let len = usize::try_from(size)
            .map_err(|_| Refusal::new(Kind::Malformed, format!("a frame says that it has {size} bytes")))?;
        if len > self.max {
            let reason = format!("a request of {len} bytes; at most {} are allowed (--max-frame)", self.max);
            return Err(Refusal::new(Kind::TooLarge, reason));
        }
        if rest.len() < len {
            return Ok(None);
        }
        let begin = self.at + SIZE;
        self.at = begin + len;
        Ok(self.bytes.get(begin..self.at))
    }

    /// Bytes of memory that are taken.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether a frame has begun and is not complete.
    pub fn is_amid(&self) -> bool {
        self.at < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_wherever_the_stream_is_cut() {
        let stream = [&[0, 0, 0, 3, 1, 2, 3][..], &[0, 0, 0, 0], &[0, 0, 0, 1, 9]].concat();
        for cut in 0..=stream.len() {
            let mut frames = Frames::new(3);
            let mut found = Vec::new();
            for piece in [&stream[..cut], &stream[cut..]] {
                frames.feed(piece);
                while let Some(frame) = frames.next_frame().unwrap() {
                    found.push(frame.to_vec());
                }
            }
            assert_eq!(found, [vec![1, 2, 3], vec![], vec![9]], "{cut}");
            assert!(!frames.is_amid());
        }
    }

    #[test]
    fn a_size_out_of_range_is_refused_before_its_frame_comes() {
        for (size, kind) in [(4, Kind::TooLarge), (i32::MAX, Kind::TooLarge), (-1, Kind::Malformed)] {
            let mut frames = Frames::new(3);
            frames.feed(&size.to_be_bytes());
            assert_eq!(frames.next_frame().unwrap_err().kind, kind);
        }
    }

    #[test]
    fn a_large_frame_leaves_no_large_memory_behind() {
        let mut frames = Frames::new(1 << 20);
        let frame = [&(1_000_000_i32).to_be_bytes()[..], &vec![7; 1_000_000]].concat();
        for piece in frame.chunks(50_000) {
            frames.feed(piece);
        }
        assert_eq!(frames.next_frame().unwrap().map(<[u8]>::len), Some(1_000_000));
        assert!(frames.capacity() >= 1_000_000);
        assert_eq!(frames.next_frame().unwrap(), None);
        assert!(frames.capacity() <= KEPT, "{}", frames.capacity());
    }

    #[test]
    fn what_is_done_with_is_not_kept() {
        let mut frames = Frames::new(100);
        for _ in 0..10_000 {
            frames.feed(&[0, 0, 0, 2, 5, 6, 0]);
            assert_eq!(frames.next_frame().unwrap(), Some(&[5, 6][..]));
            assert!(frames.is_amid());
            frames.feed(&[0, 0, 0]);
            assert_eq!(frames.next_frame().unwrap(), Some(&[][..]));
            assert!(frames.bytes.capacity() < 64);
        }
    }
}
