//! A byte stream cut at a delimiter of any length, in bounded memory: a piece longer than the limit is
//! counted, not kept. A piece that lies whole in the read buffer is handed out where it lies.
use memchr::memmem::Finder;
use std::io::{BufRead, BufReader, Read};

/// What lies between two delimiters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It is longer than the limit: so many bytes.
    TooLong(u64),
}

/// Where the current piece is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The first bytes of the read buffer.
    Buffer(usize),
    /// The first bytes of what was gathered.
    Held(usize),
    /// Nowhere: it is too long.
    Dropped(u64),
}

/// Cuts a stream into pieces.
pub(crate) struct Splitter<R> {
    source: BufReader<R>,
    delimiter: Finder<'static>,
    limit: usize,
    /// Front of a piece that did not lie whole in the read buffer; in one that is too long, the last bytes
    /// only, in which the delimiter may have begun.
    held: Vec<u8>,
    place: Place,
}

impl<R: Read> Splitter<R> {
    /// Cuts `source` at `delimiter`, which is not empty, and keeps at most `limit` bytes of a piece, beside
    /// the read buffer.
    pub(crate) fn new(source: R, delimiter: &[u8], limit: usize) -> Self {
        let source = BufReader::with_capacity(128 * 1024, source);
        let delimiter = Finder::new(delimiter).into_owned();
        Self { source, delimiter, limit, held: Vec::new(), place: Place::Held(0) }
    }

    /// Goes to the next piece; false at the end. What follows the last delimiter is a piece if it is not
    /// empty.
    ///
    /// # Errors
    /// The stream could not be read.
    pub(crate) fn advance(&mut self) -> std::io::Result<bool> {
        if let Place::Buffer(len) = self.place {
            self.source.consume(len + self.width());
        }
        self.held.clear();
        self.place = Place::Held(0);
        let found = self.delimiter.find(fill(&mut self.source)?);
        if let Some(end) = found.filter(|end| *end <= self.limit) {
            self.place = Place::Buffer(end);
            return Ok(true);
        }
        self.gather()
    }

    /// The piece that [`advance`](Self::advance) went to.
    pub(crate) fn piece(&self) -> Piece<'_> {
        match self.place {
            Place::Buffer(len) => Piece::Whole(self.source.buffer().get(..len).unwrap_or_default()),
            Place::Held(len) => Piece::Whole(self.held.get(..len).unwrap_or_default()),
            Place::Dropped(len) => Piece::TooLong(len),
        }
    }

    fn width(&self) -> usize {
        self.delimiter.needle().len()
    }

    /// A piece over several fillings of the read buffer.
    fn gather(&mut self) -> std::io::Result<bool> {
        let mut dropped: u64 = 0;
        loop {
            let before = self.held.len();
            let chunk = fill(&mut self.source)?;
            if chunk.is_empty() {
                self.settle(before, dropped);
                return Ok(before > 0 || dropped > 0);
            }
            self.held.extend_from_slice(chunk);
            let read = chunk.len();
            let from = before.saturating_sub(self.width() - 1);
            let found = self.held.get(from..).and_then(|held| self.delimiter.find(held));
            if let Some(end) = found.map(|end| from + end) {
                self.source.consume(end + self.width() - before);
                self.settle(end, dropped);
                return Ok(true);
            }
            self.source.consume(read);
            if self.held.len() > self.limit + self.width() {
                let excess = self.held.len() - (self.width() - 1);
                self.held.drain(..excess);
                dropped += excess as u64;
            }
        }
    }

    fn settle(&mut self, len: usize, dropped: u64) {
        let too_long = dropped > 0 || len > self.limit;
        self.place = if too_long { Place::Dropped(dropped + len as u64) } else { Place::Held(len) };
    }
}

/// The read buffer, filled if it was empty. An interrupted read is begun again.
fn fill<R: Read>(source: &mut BufReader<R>) -> std::io::Result<&[u8]> {
    while let Err(error) = source.fill_buf() {
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(source.buffer())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out at most `step` bytes at a time.
    struct Slow<'a>(&'a [u8], usize);
    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let len = self.1.min(self.0.len()).min(buf.len());
            let (now, later) = self.0.split_at(len);
            buf[..len].copy_from_slice(now);
            self.0 = later;
            Ok(len)
        }
    }

    fn pieces(text: &[u8], delimiter: &[u8], limit: usize, step: usize) -> Vec<Result<Vec<u8>, u64>> {
        let mut splitter = Splitter::new(Slow(text, step), delimiter, limit);
        let mut all = Vec::new();
        while splitter.advance().expect("no error") {
            all.push(match splitter.piece() {
                Piece::Whole(bytes) => Ok(bytes.to_vec()),
                Piece::TooLong(len) => Err(len),
            });
        }
        all
    }

    fn split_by_hand(text: &[u8], delimiter: &[u8], limit: usize) -> Vec<Result<Vec<u8>, u64>> {
        let mut all = Vec::new();
        let mut rest = text;
        let mut keep = |piece: &[u8]| {
            all.push(if piece.len() > limit { Err(piece.len() as u64) } else { Ok(piece.to_vec()) });
        };
        while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter) {
            keep(&rest[..at]);
            rest = &rest[at + delimiter.len()..];
        }
        if !rest.is_empty() {
            keep(rest);
        }
        all
    }

    #[test]
    fn empty_lines_count_and_an_unended_last_one_too() {
        assert_eq!(pieces(b"a\n\nb", b"\n", 9, 100), [Ok(b"a".to_vec()), Ok(vec![]), Ok(b"b".to_vec())]);
        assert_eq!(pieces(b"a\n", b"\n", 9, 100), [Ok(b"a".to_vec())]);
        assert_eq!(pieces(b"\n\n", b"\n", 9, 100), [Ok(vec![]), Ok(vec![])]);
        assert_eq!(pieces(b"", b"\n", 9, 100), []);
        assert_eq!(pieces(b"a\r\n\xff\0b", b"\r\n", 9, 1), [Ok(b"a".to_vec()), Ok(b"\xff\0b".to_vec())]);
    }

    #[test]
    fn any_delimiter_any_limit_and_any_read_size_cut_alike() {
        let text = b"aXYbXXYXYYXcccccccccXYdddddXXXYeXY\0\nXYfX";
        for delimiter in [&b"X"[..], b"XY", b"XXY", b"XYXY", b"nothing"] {
            for limit in [0, 1, 4, 5, 9, 100] {
                for step in [1, 2, 3, 7, 100] {
                    let expected = split_by_hand(text, delimiter, limit);
                    let context = (String::from_utf8_lossy(delimiter), limit, step);
                    assert_eq!(pieces(text, delimiter, limit, step), expected, "{context:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_of_any_length_takes_bounded_memory() {
        let source = std::io::repeat(b'x').take(50 << 20).chain(&b"XYshort"[..]);
        let mut splitter = Splitter::new(source, b"XY", 1000);
        assert!(splitter.advance().unwrap());
        assert_eq!(splitter.piece(), Piece::TooLong(50 << 20));
        assert!(splitter.held.capacity() < 1 << 20, "{}", splitter.held.capacity());
        assert!(splitter.advance().unwrap());
        assert_eq!(splitter.piece(), Piece::Whole(b"short"));
        assert!(!splitter.advance().unwrap());
        assert!(!splitter.advance().unwrap());
    }
}
