//! A cable between two interfaces: frames take their time, and some are lost, doubled or overtaken.
use kurier_core::random::Random;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use std::cell::RefCell;
use std::rc::Rc;

/// What a cable does to frames.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// A frame's time on the cable, in ms.
    pub delay_ms: u64,
    /// So many of a hundred are lost, each.
    pub loss: u32,
    /// So many of a hundred arrive twice.
    pub twice: u32,
    /// So many of a hundred are overtaken: they take up to five times as long.
    pub late: u32,
}

/// A cable on which nothing happens.
pub const CALM: Weather = Weather { delay_ms: 1, loss: 0, twice: 0, late: 0 };

#[derive(Debug)]
struct Cable {
    weather: Weather,
    random: Random,
    /// Frames towards each end, with the time of their arrival.
    under_way: [Vec<(Instant, Vec<u8>)>; 2],
    /// Frames lost, doubled and made late.
    mishaps: [u32; 3],
    /// Frames put on it so far.
    frames: u64,
}

impl Cable {
    fn chance(&mut self, percent: u32) -> bool {
        self.random.below(100) < percent
    }

    fn put(&mut self, towards: usize, frame: &[u8], now: Instant) {
        let weather = self.weather;
        self.frames += 1;
        if self.chance(weather.loss) {
            self.mishaps[0] += 1;
            return;
        }
        let copies = if self.chance(weather.twice) { 2 } else { 1 };
        self.mishaps[1] += copies - 1;
        for _ in 0..copies {
            let late = self.chance(weather.late);
            self.mishaps[2] += u32::from(late);
            let delay = if late { weather.delay_ms * 5 } else { weather.delay_ms };
            self.under_way[towards].push((now + Duration::from_millis(delay), frame.to_vec()));
        }
    }
}

/// One end of a cable.
#[derive(Debug)]
pub struct End {
    cable: Rc<RefCell<Cable>>,
    own: usize,
}

/// A cable's two ends.
pub fn cable(weather: Weather, seed: u32) -> (End, End) {
    let under_way = [Vec::new(), Vec::new()];
    let cable = Rc::new(RefCell::new(Cable {
        weather,
        random: Random::new(seed.into()),
        under_way,
        mishaps: [0; 3],
        frames: 0,
    }));
    (End { cable: cable.clone(), own: 0 }, End { cable, own: 1 })
}

impl End {
    /// When the next frame arrives here.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.cable.borrow().under_way[self.own].iter().map(|(at, _)| *at).min()
    }

    /// When the next frame arrives at the other end.
    pub fn next_arrival_at_peer(&self) -> Option<Instant> {
        self.cable.borrow().under_way[1 - self.own].iter().map(|(at, _)| *at).min()
    }

    /// Frames lost, doubled and made late so far.
    pub fn mishaps(&self) -> [u32; 3] {
        self.cable.borrow().mishaps
    }

    /// Frames put on the cable so far, at either end.
    pub fn frames(&self) -> u64 {
        self.cable.borrow().frames
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        self.cable.borrow_mut().weather = weather;
    }
}

/// A frame that has come.
#[derive(Debug)]
pub struct Received(Vec<u8>);

/// Room for a frame.
#[derive(Debug)]
pub struct Sending {
    cable: Rc<RefCell<Cable>>,
    towards: usize,
    now: Instant,
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sending {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.cable.borrow_mut().put(self.towards, &frame, self.now);
        result
    }
}

impl Device for End {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending;

    fn receive(&mut self, now: Instant) -> Option<(Received, Sending)> {
        let frame = {
            let queue = &mut self.cable.borrow_mut().under_way[self.own];
            // The earliest; of several at once the one that was sent first.
            let first = (0..queue.len()).min_by_key(|nth| queue[*nth].0)?;
            if queue[first].0 > now {
                return None;
            }
            queue.remove(first).1
        };
        Some((Received(frame), self.transmit(now)?))
    }

    fn transmit(&mut self, now: Instant) -> Option<Sending> {
        Some(Sending { cable: self.cable.clone(), towards: 1 - self.own, now })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}
