//! Where Kafka's frames begin in a stream: four bytes of length, big endian, then so many bytes.

/// Where a link is to end: in the next frame of at least `least` bytes, after `percent` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) percent: u8,
    pub(super) least: u32,
}

/// The walk along one direction of a link.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes of the stream seen so far.
    seen: u64,
    /// Where the present frame began.
    begin: u64,
    /// Its length as far as it was read: `size < 4` bytes of it.
    length: u32,
    have: u8,
    /// What is left of its body.
    left: u64,
    /// Where the link ends.
    end: Option<u64>,
}

impl Frames {
    /// Walks over `bytes`; answers how many of them are passed on if the link ends among them or right after. The
    /// target is taken when its frame begins.
    pub(super) fn pass(&mut self, bytes: &[u8], target: &mut Option<Target>) -> Option<usize> {
        let first = self.seen;
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            if self.have < 4 {
                if self.have == 0 {
                    self.begin = self.seen;
                }
                self.length = self.length << 8 | u32::from(*byte);
                self.have += 1;
                self.seen += 1;
                rest = after;
                if self.have == 4 {
                    self.left = self.length.into();
                    self.aim(target, first);
                }
            } else {
                let body = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.seen += body as u64;
                self.left -= body as u64;
                rest = rest.get(body..).unwrap_or_default();
            }
            if self.have == 4 && self.left == 0 {
                (self.have, self.length) = (0, 0);
            }
        }
        let end = self.end.filter(|end| *end <= self.seen)?;
        usize::try_from(end - first).ok()
    }

    /// At the end of a frame's length: whether this is the one. What was passed on before cannot be taken back.
    fn aim(&mut self, target: &mut Option<Target>, passed: u64) {
        if let Some(aim) = target.take_if(|target| self.end.is_none() && self.length >= target.least) {
            let size = 4 + u64::from(self.length);
            self.end = Some(passed.max(self.begin + size * u64::from(aim.percent) / 100));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes of three frames (10, 100 and 10 bytes) pass, in chunks of `size`.
    fn passed(percent: u8, size: usize) -> usize {
        let stream: Vec<u8> =
            [10_u8, 100, 10].iter().flat_map(|&n| [vec![0, 0, 0, n], vec![7; n.into()]].concat()).collect();
        let (mut frames, mut target) = (Frames::default(), Some(Target { percent, least: 50 }));
        let mut before = 0;
        for chunk in stream.chunks(size) {
            if let Some(end) = frames.pass(chunk, &mut target) {
                return before + end;
            }
            before += chunk.len();
        }
        before
    }

    #[test]
    fn the_place_does_not_depend_on_how_the_stream_is_cut_into_reads() {
        for size in [4, 7, 14, 61, 128, 1000] {
            assert_eq!(passed(50, size), 14 + 52, "reads of {size}");
            assert_eq!(passed(100, size), 14 + 104, "reads of {size}");
        }
        assert_eq!((passed(0, 1000), passed(2, 1000)), (14, 16));
        // Its length came byte by byte and had been passed on before it was known.
        assert_eq!(passed(0, 1), 14 + 3);
    }
}
