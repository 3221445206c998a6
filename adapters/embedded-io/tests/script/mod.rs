//! Streams that do as a script says, and panic when they are read or written although they are not ready.
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What a stream does next; an empty script is a stream with nothing to read and no room.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// Room for so many bytes, or an error.
    pub(crate) writes: VecDeque<Result<usize, ErrorKind>>,
    pub(crate) written: Vec<u8>,
    /// How many of these were flushed.
    pub(crate) flushed: usize,
    /// What is answered instead by whoever asks whether the stream is ready, or flushes.
    pub(crate) fails: Option<ErrorKind>,
}

impl Script {
    fn ready(&self, is: bool) -> Result<bool, ErrorKind> {
        self.fails.map_or(Ok(is), Err)
    }
}

/// A stream, and all copies of it, with one script.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripted(pub(crate) Rc<RefCell<Script>>);

impl ErrorType for Scripted {
    type Error = ErrorKind;
}

impl ReadReady for Scripted {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        let script = self.0.borrow();
        script.ready(!script.reads.is_empty())
    }
}

impl Read for Scripted {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let mut script = self.0.borrow_mut();
        let mut bytes = script.reads.pop_front().expect("read although it was not ready")?;
        let count = bytes.len().min(buf.len());
        buf[..count].copy_from_slice(&bytes[..count]);
        if count < bytes.len() {
            bytes.drain(..count);
            script.reads.push_front(Ok(bytes));
        }
        Ok(count)
    }
}

impl WriteReady for Scripted {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        let script = self.0.borrow();
        script.ready(!script.writes.is_empty())
    }
}

impl Write for Scripted {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let mut script = self.0.borrow_mut();
        let room = script.writes.pop_front().expect("written although it was not ready")?;
        let count = room.min(buf.len());
        script.written.extend_from_slice(&buf[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> Result<(), ErrorKind> {
        let mut script = self.0.borrow_mut();
        script.flushed = script.written.len();
        script.fails.map_or(Ok(()), Err)
    }
}
