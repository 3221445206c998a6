//! A producer that is run, not only measured: in QEMU, with its clock tied to instructions (`-icount shift=0`).
//!
//! Says, as one JSON object, what records cost between `send` and their taken deliveries, with and without the
//! checksum, and the deepest stack. The far side is `Sink`, which answers and looks at nothing. `cargo xtask size`
//! runs it on `mps2-an385`, whose timer then counts 40 instructions a tick.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![allow(unsafe_code, missing_docs)] // registers, the linker's entry, statics, semihosting

#[cfg(all(target_os = "none", target_arch = "arm"))]
mod cortex;

#[cfg(all(target_os = "none", target_arch = "arm"))]
mod run {
    use crate::cortex::{Line, end, paint, stack_used, ticks};
    use core::fmt::Write;
    use core::hint::black_box;
    use kurier_core::config::Config;
    use kurier_core::producer::Producer;
    use kurier_core::record::{Record, Topic};
    use kurier_core::time::Instant;
    use kurier_size::sink::Sink;
    use kurier_size::{CONFIG, crc, in_bss, memory};

    static SETTINGS: Config<'static> = CONFIG;
    /// Instructions in a tick of the timer: 25 MHz, and an instruction is a nanosecond.
    const INSTRUCTIONS: u32 = 40;
    const RECORDS: u32 = 2000;

    /// No checksum: what remains is everything else.
    fn none(crc: u32, _: &[u8]) -> u32 {
        crc
    }

    struct Bench {
        producer: &'static mut Producer,
        sink: Sink,
        topic: Option<Topic>,
        micros: u64,
    }

    impl Bench {
        /// Sends so many records and takes their deliveries; answers in instructions.
        fn send(&mut self, records: u32, value: &[u8]) -> u32 {
            let started = ticks();
            let (mut sent, mut told) = (0, 0);
            while told < records {
                self.micros += 100;
                let now = Instant::from_micros(self.micros);
                if self.topic.is_none() {
                    self.topic = self.producer.topic("t", now).ok();
                }
                let Some(topic) = self.topic else { return 0 };
                while sent < records && self.producer.send(topic, Record::value(value), now).is_ok() {
                    sent += 1;
                }
                if sent == records {
                    self.producer.flush();
                }
                black_box(self.producer.poll(now, &mut self.sink));
                while let Some(delivery) = self.producer.next_delivery() {
                    told += delivery.count;
                    if !delivery.is_ok() {
                        return 0;
                    }
                }
            }
            started.wrapping_sub(ticks()).saturating_mul(INSTRUCTIONS)
        }
    }

    fn bench(producer: &'static mut Producer) -> Bench {
        Bench { producer, sink: Sink::new(), topic: None, micros: 1000 }
    }

    /// A record of 100 bytes with the small checksum. A function of its own, so that its stack is not that of the others.
    #[inline(never)]
    fn by_nibbles(value: &[u8]) -> u32 {
        let Ok(producer) = Producer::new(memory!(), &SETTINGS, kurier_core::batch::crc32c_by_nibbles) else {
            end()
        };
        let mut bench = bench(in_bss!(Producer, producer));
        bench.send(1, value);
        bench.send(RECORDS, value) / RECORDS
    }

    pub(crate) fn run() -> ! {
        paint();
        let (Ok(summed), Ok(bare)) =
            (Producer::new(memory!(), &SETTINGS, crc), Producer::new(memory!(), &SETTINGS, none))
        else {
            end()
        };
        let value = [b'x'; 100];
        let mut summed = bench(in_bss!(Producer, summed));
        let first = summed.send(1, &value);
        let each = summed.send(RECORDS, &value) / RECORDS;
        let small = summed.send(RECORDS, black_box(&value[..10])) / RECORDS;
        let stack = stack_used();
        let mut bare = bench(in_bss!(Producer, bare));
        bare.send(1, &value);
        let without = bare.send(RECORDS, &value) / RECORDS;
        let nibbles = by_nibbles(&value);
        let mut line = Line::new();
        let _ = writeln!(
            line,
            "{{\"first\":{first},\"each\":{each},\"by_nibbles\":{nibbles},\"without_checksum\":{without},\"each_of_10_bytes\":{small},\"stack\":{stack}}}"
        );
        line.say();
        end()
    }
}

#[cfg(all(target_os = "none", target_arch = "arm"))]
kurier_size::image!({ run::run() });
#[cfg(not(all(target_os = "none", target_arch = "arm")))]
kurier_size::image!({ kurier_size::stop() });
