//! The network as its producer sees it: the transport's contract, held by both sides.
use super::{Deed, Director, NEVER, Net, Stream, Wants};
use embedded_io::ErrorKind;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use std::collections::VecDeque;
use std::task::Poll;

impl<D> embedded_io::ErrorType for Net<D> {
    type Error = ErrorKind;
}

impl<D: Director> Transport for Net<D> {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        self.called();
        let (now, index) = (self.now, link.index());
        if self.links.len() <= index {
            self.links.resize_with(index + 1, || None);
        }
        let Some(stream) = &mut self.links[index] else {
            self.progress += 1;
            let (host, port) = (to.host.to_owned(), to.port);
            self.log(Deed::Dial { at: now, link: link.0, host: host.clone(), port });
            let dialled = self.director.dial(port);
            self.links[index] = Some(Stream {
                refused: dialled == Some(false) || host != "broker",
                host,
                port,
                conn: None,
                open: false,
                opens_at: if dialled.is_some() { now + self.latency } else { NEVER },
                up: Vec::new(),
                down: VecDeque::new(),
                end: NEVER,
                send_at: 0,
                flush_at: 0,
                wants: Wants { connect: true, ..Wants::default() },
            });
            return if self.latency == 0 && dialled.is_some() {
                self.connect(link, to)
            } else {
                Poll::Pending
            };
        };
        assert!(!stream.open, "link {index} is dialled while it is open");
        assert_eq!(
            (stream.host.as_str(), stream.port),
            (to.host, to.port),
            "link {index} is dialled elsewhere"
        );
        if stream.opens_at > now && stream.end > now {
            stream.wants.connect = true;
            return Poll::Pending;
        }
        self.progress += 1;
        let gone = stream.refused || stream.end <= now;
        let conn = if gone { None } else { self.cluster.open(i32::from(to.port) - 9090) };
        if conn.is_none() {
            self.links[index] = None;
            return Poll::Ready(Err(ErrorKind::ConnectionRefused));
        }
        (stream.conn, stream.open, stream.wants) = (conn, true, Wants::default());
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        let (now, most, latency) = (self.now, self.write, self.latency);
        assert!(bufs.iter().any(|buf| !buf.is_empty()), "nothing is sent");
        let stream = self.stream(link, "send");
        if stream.end <= now {
            return Poll::Ready(Err(ErrorKind::BrokenPipe));
        }
        if stream.send_at > now {
            stream.wants.send = true;
            return Poll::Pending;
        }
        let bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).take(most).collect();
        let count = bytes.len();
        // What is taken in pieces has to wait now and then.
        if count == most && stream.up.len().is_multiple_of(5) {
            stream.send_at = now + latency + 1;
        }
        stream.flush_at = now + latency;
        stream.up.extend_from_slice(&bytes);
        self.progress += 1;
        self.log(Deed::Write { at: now, link: link.0, bytes });
        self.serve(link);
        Poll::Ready(Ok(count))
    }

    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>> {
        let (now, slow) = (self.now, self.slow_flush);
        let stream = self.stream(link, "flush");
        if stream.end <= now {
            return Poll::Ready(Err(ErrorKind::BrokenPipe));
        }
        if slow && stream.flush_at > now {
            stream.wants.flush = true;
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        let (now, most) = (self.now, self.read);
        assert!(!buf.is_empty(), "a read into nothing");
        let stream = self.stream(link, "recv");
        let Some((_, piece)) = stream.down.front_mut().filter(|(at, _)| *at <= now) else {
            if stream.end <= now {
                return Poll::Ready(Ok(0));
            }
            stream.wants.recv = true;
            return Poll::Pending;
        };
        let count = piece.len().min(buf.len()).min(most);
        buf[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            stream.down.pop_front();
        }
        self.progress += 1;
        Poll::Ready(Ok(count))
    }

    fn close(&mut self, link: LinkId) {
        self.called();
        let Some(stream) = self.links.get_mut(link.index()).and_then(Option::take) else { return };
        self.progress += 1;
        let at = self.now;
        self.log(Deed::Close { at, link: link.0 });
        if let Some(conn) = stream.conn {
            self.cluster.close(conn);
        }
    }
}
