//! A whole producer that is answered with anything: no panic, no endless pass, every accepted record delivered once.
#![no_main]
use kurier_core::config::Config;
use kurier_core::producer::Producer;
use kurier_core::record::Record;
use kurier_core::sender::Wake;
use kurier_core::storage::Storage;
use kurier_core::time::Instant;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use libfuzzer_sys::fuzz_target;
use std::task::Poll;

/// Reads come from the fuzzer; some of its bytes are patched so that the first answers get through.
struct Hostile<'a> {
    data: &'a [u8],
    correlation: i32,
    written: usize,
}

impl embedded_io::ErrorType for Hostile<'_> {
    type Error = embedded_io::ErrorKind;
}

impl Transport for Hostile<'_> {
    fn connect(&mut self, _: LinkId, _: Endpoint<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
    fn send(&mut self, _: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, Self::Error>> {
        assert!(!bufs.is_empty() && bufs.iter().all(|buf| !buf.is_empty()));
        let len = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        self.written += len;
        Poll::Ready(Ok(len))
    }
    fn flush(&mut self, _: LinkId) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
    fn recv(&mut self, _: LinkId, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>> {
        assert!(!buf.is_empty());
        let Some((&kind, rest)) = self.data.split_first() else { return Poll::Pending };
        self.data = rest;
        match kind {
            0 => Poll::Ready(Ok(0)),
            1 => Poll::Ready(Err(embedded_io::ErrorKind::ConnectionReset)),
            2 => Poll::Pending,
            // A frame of the fuzzer's, with a size and a correlation id that fit.
            3..=120 => {
                let body = usize::from(kind).min(rest.len());
                let mut frame = (u32::try_from(body + 4).unwrap_or(0)).to_be_bytes().to_vec();
                frame.extend(self.correlation.to_be_bytes());
                frame.extend(rest.iter().take(body));
                self.correlation += 1;
                let count = frame.len().min(buf.len());
                buf[..count].copy_from_slice(&frame[..count]);
                self.data = &rest[body..];
                Poll::Ready(Ok(count))
            }
            // A greeting of a real broker: Produce 0-13, Metadata 0-13, InitProducerId 0-5.
            121 => {
                let mut frame = vec![0, 0, 0, 31];
                frame.extend(self.correlation.to_be_bytes());
                frame.extend([0, 0, 4]);
                for (key, newest) in [(0_u8, 13_u8), (3, 13), (22, 5)] {
                    frame.extend([0, key, 0, 0, 0, newest, 0]);
                }
                // Throttle time, and the tags of the message.
                frame.extend([0, 0, 0, 0, 0]);
                let size = u32::try_from(frame.len() - 4).unwrap_or(0).to_be_bytes();
                frame[..4].copy_from_slice(&size);
                self.correlation += 1;
                let count = frame.len().min(buf.len());
                buf[..count].copy_from_slice(&frame[..count]);
                Poll::Ready(Ok(count))
            }
            _ => {
                let count = usize::from(kind - 121).min(rest.len()).min(buf.len());
                buf[..count].copy_from_slice(&rest[..count]);
                self.data = &rest[count..];
                if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
            }
        }
    }
    fn close(&mut self, _: LinkId) {
        self.correlation = 0;
    }
}

fn crc(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "a", port: 1 }, Endpoint { host: "b", port: 2 }];
static CONFIG: Config<'static> = Config::new(SERVERS).delivery_timeout_ms(500).request_timeout_ms(300);

fuzz_target!(|data: &[u8]| {
    let memory = Box::into_raw(Box::new(Storage::<2, 3, 3, 256>::new()));
    // SAFETY: freed below, after the producer that borrows it is gone.
    let lent = unsafe { &mut *memory };
    {
        let Ok(mut producer) = Producer::new(lent, &CONFIG, crc) else { return };
        let mut net = Hostile { data, correlation: 0, written: 0 };
        let mut now = Instant::from_millis(5);
        let Ok(topic) = producer.topic("t", now) else { return };
        let (mut accepted, mut told) = (0_u32, 0_u32);
        for turn in 0..400_u32 {
            if producer.send(topic, Record::value(&turn.to_be_bytes()), now).is_ok() {
                accepted += 1;
            }
            let wake = producer.poll(now, &mut net);
            while let Some(delivery) = producer.next_delivery() {
                told += delivery.count;
            }
            now = match wake {
                Wake::Now => now.plus_millis(1),
                Wake::At(at) => at.max(now.plus_millis(1)).min(now.plus_millis(50)),
                Wake::OnIo => now.plus_millis(20),
            };
        }
        producer.abort();
        while let Some(delivery) = producer.next_delivery() {
            told += delivery.count;
        }
        assert_eq!(accepted, told);
    }
    // SAFETY: made by `into_raw` above, and nothing borrows it any more.
    drop(unsafe { Box::from_raw(memory) });
});
