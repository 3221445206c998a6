//! A whole producer against brokers whose answers come from the fuzzer: made up, changed field by field or byte by byte,
//! lost, late, doubled, swapped, for requests never sent; with links cut, refused and swallowed, leaders moved, topics
//! deleted and made anew, and a user who calls anything at any time.
//!
//! Whatever it is told: no panic, no endless or busy loop (passes of each virtual second are counted), no call against
//! the transport's contract, no request that a broker cannot read, no more memory than it was given. Once the brokers
//! are honest again every record that was accepted has exactly one delivery when `delivery.timeout.ms` is over, and if
//! nobody lied, every buffer comes back and a new record gets through.
use crate::net::{Director, Fate, Sent};
use crate::options::{Options, TOPICS};
use crate::reply;
use crate::script::Script;
use crate::world::{World, cluster};
use kurier_broker::codec::{self, RequestHeader};
use kurier_core::record::{Header, Record};
use kurier_core::time::Timestamp;

/// Things a user does in one run, at most.
const MOST_ACTS: usize = 600;
/// Steps until everything must have come to its end.
const MOST_STEPS: u32 = 200_000;

/// Plays `data`.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let options = Options::draw(&mut script);
    let cluster = cluster(&options, options.settings());
    let director = Hostile { script, lied: false, refused: 0, swallowed: 0, held: None };
    let Some(mut world) = World::new(&options, cluster, director) else { return };
    for _ in 0..MOST_ACTS {
        if world.net.director.script.is_over() {
            break;
        }
        act(&mut world, &options);
    }
    calm(&mut world, &options);
}

/// Answers as the script says.
struct Hostile<'d> {
    script: Script<'d>,
    /// Something was said that is not so.
    lied: bool,
    /// Ports, as bits.
    refused: u32,
    swallowed: u32,
    /// An answer that is still to come, on whatever link the next one goes.
    held: Option<Vec<u8>>,
}

impl Director for Hostile<'_> {
    fn dial(&mut self, port: u16) -> Option<bool> {
        let bit = 1_u32 << (port % 32);
        (self.swallowed & bit == 0).then_some(self.refused & bit == 0)
    }

    fn request(&mut self, _: &RequestHeader) -> Fate {
        if self.script.is_over() {
            return Fate::Serve;
        }
        match self.script.byte() {
            0..=9 => Fate::Lose,
            10..=19 => Fate::Close,
            _ => Fate::Serve,
        }
    }

    fn answer(&mut self, header: &RequestHeader, honest: Vec<u8>) -> Sent {
        if self.script.is_over() {
            return Sent::whole(honest);
        }
        let script = &mut self.script;
        let kind = script.byte();
        if kind < 96 {
            return Sent::whole(honest);
        }
        let mut sent = Sent::default();
        // Time and place alone are no lies.
        match kind {
            96..=103 => {
                sent.pieces.push(honest);
                sent.delay = u64::from(script.word()) * 20;
                return sent;
            }
            104..=109 => return sent,
            110..=117 => {
                sent.pieces.push(honest);
                sent.close = true;
                return sent;
            }
            118..=125 => {
                let end = usize::from(script.word()) % honest.len().max(1);
                sent.pieces.push(honest[..end].to_vec());
                sent.close = true;
                return sent;
            }
            _ => {}
        }
        self.lied = true;
        match kind {
            126..=199 if !honest.is_empty() => {
                let changed = reply::fields(header, &honest, script);
                sent.pieces.push(changed.unwrap_or(honest));
            }
            200..=227 if !honest.is_empty() => sent.pieces.push(reply::bytes(honest, script)),
            228..=231 => sent.pieces = vec![honest.clone(), honest],
            232..=235 => sent.pieces.extend(self.held.replace(honest)),
            236..=238 => {
                sent.pieces.push(honest);
                sent.pieces.extend(self.held.take());
            }
            239..=241 => {
                let mut frame = honest;
                if let Some(place) = frame.get_mut(4..8) {
                    place.copy_from_slice(&(header.correlation.wrapping_add(1)).to_be_bytes());
                }
                sent.pieces.push(frame);
            }
            // An answer that is the script's, for this request.
            242..=247 => {
                let count = usize::from(script.byte());
                let body = script.take(count);
                sent.pieces.push(codec::frame(&[&header.correlation.to_be_bytes(), body].concat()));
            }
            248..=249 => sent.pieces.push(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            250..=251 => {
                let size = script.of([0, 3, 4, 5, i32::MAX, -1, i32::MIN, 100]);
                sent.pieces.push([size.to_be_bytes(), header.correlation.to_be_bytes()].concat());
                sent.pieces.push(honest);
            }
            _ => {
                let count = usize::from(script.byte());
                sent.pieces.push(script.take(count).to_vec());
            }
        }
        sent
    }

    fn lies(&self) -> bool {
        self.lied
    }
}

/// One thing that happens.
fn act(world: &mut World<Hostile<'_>>, options: &Options) {
    let choice = world.net.director.script.byte();
    match choice % 16 {
        0..=5 => send(world, choice),
        6 => {
            for _ in 0..choice >> 4 {
                let _ = world.send(0, &Record::value(b"many at once"));
            }
        }
        7 => {
            world.touched = true;
            let mark = world.home.with(|producer| producer.flush());
            world.pass();
            if world.home.with(|producer| producer.is_flushed(mark)) && !world.lazy {
                assert_eq!(world.untold(), 0, "flushed, and not told");
            }
        }
        8..=11 => {
            for _ in 0..=choice >> 4 {
                let limit = world.now.saturating_add(10_000_000);
                world.step(limit);
            }
        }
        12 => {
            let millis = u64::from(world.net.director.script.word());
            world.run(millis * 100);
        }
        13 => {
            // A host that was paused.
            let millis = u64::from(world.net.director.script.byte());
            world.now += millis * 20_000;
            world.touched = true;
        }
        14 => trouble(world, options),
        _ => match choice >> 4 {
            0..=3 => world.lazy = true,
            4..=13 => {
                world.lazy = false;
                world.take();
            }
            14 => {
                world.touched = true;
                world.home.with(|producer| producer.close());
            }
            _ => {
                world.touched = true;
                world.home.with(|producer| producer.abort());
                world.take();
                assert_eq!(world.untold(), 0, "aborted, and not told");
            }
        },
    }
    world.pass();
}

fn send(world: &mut World<Hostile<'_>>, choice: u8) {
    let script = &mut world.net.director.script;
    let shape = script.byte();
    let len = if shape & 1 == 0 { usize::from(script.byte() >> 3) } else { usize::from(script.word() % 700) };
    let value = vec![shape; len];
    let key = [choice, shape];
    let headers = [Header { name: "h", value: Some(b"v") }, Header { name: "", value: None }];
    let record = Record {
        key: (shape & 2 != 0).then_some(&key[..]),
        value: (shape & 4 == 0).then_some(&value[..]),
        headers: if shape & 8 != 0 { &headers } else { &[] },
        timestamp: (shape & 16 != 0).then_some(Timestamp(1_700_000_000_000 + i64::from(choice))),
        partition: (shape & 32 != 0).then(|| i32::from(script.byte() >> 4)),
    };
    let _ = world.send(usize::from(choice >> 4), &record);
}

/// Something that goes wrong in the cluster or on the way to it.
fn trouble(world: &mut World<Hostile<'_>>, options: &Options) {
    let script = &mut world.net.director.script;
    let (which, more) = (script.byte(), script.byte());
    let topic = TOPICS[usize::from(more) % TOPICS.len()].0;
    let broker = 1 + i32::from(more >> 4) % i32::from(options.brokers);
    let net = &mut world.net;
    match which % 12 {
        0 | 1 => net.cut(Some(usize::from(more % 8))),
        2 => net.cut(None),
        3 => net.director.refused = u32::from(more),
        4 => net.director.swallowed = u32::from(more),
        5 => (net.director.refused, net.director.swallowed) = (0, 0),
        6 | 7 => drop(net.cluster.move_leader(topic, i32::from(more >> 6), broker)),
        8 => drop(net.cluster.delete_topic(topic)),
        9 => drop(net.cluster.create_topic(topic, 1 + i32::from(more >> 5), Default::default())),
        10 => drop(net.cluster.grow_topic(topic, 1 + i32::from(more >> 4))),
        _ => {
            net.cluster.configure_topic(topic, |config| config.max_message_bytes = 80 + i32::from(more));
        }
    }
}

/// Nothing goes wrong any more; what was sent must end.
fn calm(world: &mut World<Hostile<'_>>, options: &Options) {
    let director = &mut world.net.director;
    (director.script, director.refused, director.swallowed) = (Script(&[]), 0, 0);
    world.net.heal();
    for (name, partitions) in TOPICS.iter().filter(|(_, partitions)| *partitions > 0) {
        let _ = world.net.cluster.create_topic(name, *partitions, Default::default());
        world.net.cluster.configure_topic(name, |config| config.max_message_bytes = 1 << 20);
    }
    world.lazy = false;
    world.take();
    world.pass();
    // What is in flight when its time is over is told, and waits for its answer without its user.
    finish(world, u64::from(options.delivery_timeout) * 1000 + 2000, |world| world.untold() == 0);
    assert_eq!(world.untold(), 0, "records without delivery after delivery.timeout.ms");
    if world.net.director.lied {
        return;
    }
    // The buffers of deliveries that were taken come back with the next pass, and nothing else asks for one.
    world.touched = true;
    finish(world, 20_000_000, |world| world.is_at_rest());
    assert!(world.is_at_rest(), "buffers that do not come back: {}", world.state());
    probe(world);
}

fn finish(
    world: &mut World<Hostile<'_>>,
    micros: u64,
    mut is_over: impl FnMut(&mut World<Hostile<'_>>) -> bool,
) {
    let until = world.now + micros;
    for _ in 0..MOST_STEPS {
        if is_over(world) || !world.step(until) {
            return;
        }
    }
    panic!("no end after {MOST_STEPS} steps");
}

/// A new record gets through, if the user may send one.
fn probe(world: &mut World<Hostile<'_>>) {
    use kurier_core::error::SendError;
    for _ in 0..400 {
        match world.send(0, &Record::value(b"probe")) {
            Ok(()) => {
                world.run(5_000_000);
                assert_eq!(world.untold(), 0, "the probe has no delivery");
                return;
            }
            Err(SendError::Closed | SendError::Fatal(_) | SendError::UnknownTopic) => return,
            Err(_) => world.run(100_000),
        }
    }
    panic!("no record is accepted any more: {:?}", world.send(0, &Record::value(b"probe")));
}
