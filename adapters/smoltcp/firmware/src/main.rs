//! A device that samples itself and sends what it sees into Kafka, with acknowledgements and without a heap.
//!
//! To copy from, part by part: `board` (clock, sleep, lamps), `host` (words from and to outside), `kept` (memory that a reset
//! leaves alone) and `lan9118` (the Ethernet controller) are what another board replaces; `network` (addresses by
//! DHCP, names by DNS, sockets) and `telemetry` (settings, records, deliveries) stay; `sample` is whatever the device measures. It runs under QEMU on `mps2-an385` and its
//! sisters: `cargo xtask firmware`.
//!
//! The loop never waits in the middle and never gives up: what fails is reported and tried again with backoff.
#![no_std]
#![no_main]

mod arguments;
mod board;
mod clock;
mod fault;
mod host;
mod kept;
mod lan9118;
#[cfg(feature = "log")]
mod logger;
mod network;
mod sample;
mod telemetry;

use arguments::Arguments;
use board::Board;
use cortex_m_rt::entry;
use network::Network;
use telemetry::{Progress, Telemetry};

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    let Some(arguments) = Arguments::parse(board.command_line()) else {
        board.say(format_args!("error: {}", arguments::USAGE));
        board.end(2)
    };
    #[cfg(feature = "log")]
    logger::start(arguments.log);
    let boots = board.boots();
    let Some(mut network) = Network::new(&mut board, &arguments) else {
        board.say(format_args!("error: no LAN9118 Ethernet controller"));
        board.end(1)
    };
    let mut telemetry = match Telemetry::new(&arguments, &mut board) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            board.say(format_args!("error: {error}"));
            board.end(2)
        }
    };
    loop {
        let now = board.micros();
        network.poll(&board, now);
        if let Err(error) = telemetry.sample(&mut board, &mut network, now) {
            board.say(format_args!("error: topic {}: {error}", arguments.topic));
            board.end(2);
        }
        let wake = telemetry.poll(&mut network, now);
        let progress = telemetry.report(&mut board, network.traffic(), now);
        if let Progress::Over { well } = progress {
            if well && boots < arguments.naps {
                telemetry.sleep(&mut board);
                board.nap();
            }
            board.end(if well { 0 } else { 1 });
        }
        let sleep = network.sleep(wake, now).min(telemetry.next_turn(now));
        board.sleep(sleep, || network.has_frame());
    }
}
