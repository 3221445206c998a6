//! Every second history has conditions under which a rule that seldom matters is likely to: the deliberate defects
//! of the core (`cargo xtask sim --defects`) say which rules these are.
use super::dice::Dice;
use super::fault;
use super::scenario::{Limit, Scenario};
use kurier_broker::Release;
use kurier_core::config::Acks;

impl Scenario {
    /// Makes a history harder in one way, or leaves it as it is, within what is allowed.
    pub(super) fn sharpen(&mut self, limit: Limit) {
        let faults = limit.faults;
        let d = &mut Dice::new(self.seed, 12);
        let last = self.faults & (u32::MAX << fault::LAST.0);
        match d.below(8) {
            0 if self.idempotent => self.pipeline(d, faults),
            1 => self.wander(d, faults),
            2 => self.doubt(d, faults),
            3 => self.divide(d, faults),
            4 if faults & fault::STALE != 0 && d.chance(500) => self.mislead(d, faults),
            _ => {}
        }
        self.faults |= last;
        let d = &mut Dice::new(self.seed, 13);
        match d.below(24) {
            0 => self.blame(d, faults),
            1 => self.mix(d, faults),
            2 => return self.orphan(d, limit),
            3 if faults & fault::WORK != 0 && self.idempotent => self.oversleep(d, faults),
            4 if faults & fault::SETTINGS != 0 => self.answerless(d, faults),
            5 if faults & fault::SETTINGS != 0 => self.hush(d, faults),
            6 if faults & fault::SETTINGS != 0 => self.renew(d, faults),
            7 | 8 if faults & fault::SETTINGS != 0 && self.idempotent => self.forget(d, faults),
            _ => {}
        }
        self.records = self.records.min(limit.records);
        self.faults |= fault::MANNERS & faults;
    }

    /// Many small batches of few partitions in flight, of which some are refused, some lost and some both.
    fn pipeline(&mut self, d: &mut Dice, faults: u32) {
        self.in_flight = 5;
        self.config = self.config.max_in_flight(5).batch_size(d.pick(&[0, 100])).linger_ms(0);
        self.linger = 0;
        self.topics.truncate(1);
        self.topics[0].1 = d.within(1, 2) as i32;
        let some = [fault::ERROR, fault::FINAL, fault::SWALLOW, fault::CUT, fault::SLOW, fault::LIMIT];
        self.faults = some.iter().fold(0, |all, kind| if d.chance(600) { all | kind } else { all }) & faults;
        self.pace = d.pick(&[20, 500]);
    }

    /// Leaders move, topics are made anew, and nobody asks for metadata without need.
    fn wander(&mut self, d: &mut Dice, faults: u32) {
        self.config = self.config.metadata_max_age_ms(300_000);
        self.brokers = self.brokers.max(2);
        self.faults = fault::MOVE & faults;
        if d.chance(500) {
            self.faults |= fault::RECREATE & faults;
            // By name a request that is under way gets into the new topic, where a broker that knows nothing of the
            // producer may take the second batch for its first. No producer can help that.
            self.release = Release::V4_3;
        }
        self.trouble = d.pick(&[500, 5000]);
        self.pace = d.pick(&[500, 5000]);
    }

    /// Answers are lost and errors leave open what was written, and some of the same batches are refused for good.
    fn doubt(&mut self, d: &mut Dice, faults: u32) {
        self.small(d);
        self.in_flight = d.pick(&[1, 5]);
        self.config = self.config.max_in_flight(self.in_flight).batch_size(d.pick(&[0, 200])).linger_ms(0);
        self.linger = 0;
        self.faults = (d.pick(&[fault::SWALLOW, fault::ERROR]) | fault::FINAL) & faults;
        self.pace = d.pick(&[500, 5000]);
    }

    /// Batches of several records, which are too large every now and then, with others behind them in flight.
    fn divide(&mut self, d: &mut Dice, faults: u32) {
        self.small(d);
        self.in_flight = 5;
        self.config = self.config.max_in_flight(5).batch_size(d.pick(&[200, 400])).linger_ms(0);
        self.linger = 0;
        self.faults = (fault::LIMIT | d.pick(&[0, 0, fault::SWALLOW, fault::ERROR, fault::SLOW])) & faults;
        self.latency = d.pick(&[(0, 500), (200, 2000)]);
        self.trouble = d.pick(&[500, 2000, 5000]);
        self.pace = d.pick(&[20, 500]);
    }

    /// Batches are refused for some of their records, and answers break off.
    fn blame(&mut self, d: &mut Dice, faults: u32) {
        self.small(d);
        self.config = self.config.batch_size(d.pick(&[200, 400])).linger_ms(0);
        self.linger = 0;
        self.faults = (fault::KEYS | d.pick(&[0, fault::MALFORM, fault::CUT])) & faults;
        self.release = Release::V4_3;
        self.piece = d.pick(&[7, 61, 1 << 20]);
        self.trouble = d.pick(&[500, 2000]);
        self.pace = d.pick(&[20, 500]);
    }

    /// Leaders move between brokers of which some are too new, and answer slowly.
    fn mix(&mut self, d: &mut Dice, faults: u32) {
        // With links to all of them.
        self.size = 7;
        self.brokers = 5;
        self.in_flight = 5;
        self.config = self.config.max_in_flight(5).metadata_max_age_ms(50).batch_size(d.pick(&[0, 200]));
        self.config = self.config.connections_max_idle_ms(None).partitioner_ignore_keys(true);
        self.topics.truncate(1);
        self.topics[0].1 = d.within(2, 4) as i32;
        self.faults = (fault::VERSIONS | fault::MOVE) & faults;
        self.latency = (200, d.pick(&[10_000, 50_000]));
        self.records = self.records.max(120);
        self.trouble = d.pick(&[20_000, 100_000]);
        self.pace = 5000;
    }

    /// Nothing is sent for so long that brokers may have forgotten the producer.
    fn oversleep(&mut self, d: &mut Dice, faults: u32) {
        self.in_flight = 5;
        self.config = self.config.max_in_flight(5).batch_size(0).linger_ms(0);
        self.linger = 0;
        self.topics.truncate(1);
        self.topics[0].1 = 1;
        self.faults = (fault::JUMP | d.pick(&[0, fault::SLOW])) & faults;
        self.latency = (200, 2000);
        self.records = self.records.max(30);
        self.pace = d.pick(&[500, 5000]);
    }

    /// Partitions without a leader, of topics that are made anew without an id; the user tries so often, and no more.
    fn orphan(&mut self, d: &mut Dice, limit: Limit) {
        self.records = self.records.min(limit.records);
        self.brokers = self.brokers.max(2);
        self.in_flight = 1;
        self.config = self.config.max_in_flight(1);
        self.release = d.pick(&[Release::V2_4, Release::V2_1]);
        self.faults = (fault::MOVE | fault::RECREATE) & limit.faults;
        self.trouble = d.pick(&[500, 2000]);
        self.pace = d.pick(&[500, 5000]);
    }

    /// Leaders move, and some brokers do not hear of it; everybody is asked often.
    fn mislead(&mut self, d: &mut Dice, faults: u32) {
        self.config = self.config.metadata_max_age_ms(d.pick(&[50, 300]));
        self.brokers = self.brokers.max(3);
        self.faults = (fault::STALE | d.pick(&[0, 0, fault::MOVE, fault::RECREATE])) & faults;
        self.release = Release::V4_3;
        self.records = self.records.clamp(10, 30);
        self.trouble = d.pick(&[2000, 10_000]);
        self.pace = d.pick(&[2000, 10_000]);
    }

    /// Nothing is acknowledged, and each batch waits for the one before.
    fn answerless(&mut self, d: &mut Dice, faults: u32) {
        self.small(d);
        (self.acks, self.idempotent) = (Acks::Zero, false);
        self.config = self.config.acks(Acks::Zero).enable_idempotence(false);
        self.in_flight = d.pick(&[1, 2]);
        self.config = self.config.max_in_flight(self.in_flight).batch_size(d.pick(&[0, 200]));
        self.calmly();
        self.faults = d.pick(&[0, fault::SLOW]) & faults;
        self.pace = d.pick(&[20, 500]);
    }

    /// Brokers ask for silence, and nothing else happens.
    fn hush(&mut self, d: &mut Dice, faults: u32) {
        self.small(d);
        self.calmly();
        self.faults = (fault::THROTTLE | d.pick(&[0, fault::ERROR])) & faults;
        self.pace = d.pick(&[500, 5000]);
    }

    /// Leaders move often, and the topic is made anew, where topics have ids.
    fn renew(&mut self, d: &mut Dice, faults: u32) {
        self.small(d);
        self.topics[0].1 = 3;
        self.brokers = self.brokers.max(3);
        self.release = Release::V4_3;
        self.config = self.config.metadata_max_age_ms(d.pick(&[50, 300_000])).linger_ms(0);
        self.linger = 0;
        self.faults = (fault::MOVE | fault::RECREATE) & faults;
        self.trouble = d.pick(&[500, 2000]);
        self.pace = d.pick(&[500, 2000]);
    }

    /// Brokers know nothing of who wrote the last record, if that has no time: what they are asked again they write again.
    fn forget(&mut self, d: &mut Dice, faults: u32) {
        self.forgetful = true;
        // The times that records have are not a day old.
        self.start = d.pick(&[0, 77_777_777]);
        self.small(d);
        self.in_flight = 5;
        self.config = self.config.max_in_flight(5).batch_size(d.pick(&[0, 200])).linger_ms(0);
        self.linger = 0;
        self.faults = d.pick(&[
            fault::ERROR,
            fault::CUT | fault::ERROR,
            fault::RESTART | fault::ERROR,
            fault::SWALLOW,
            fault::MOVE | fault::ERROR,
        ]) & faults;
        self.trouble = d.pick(&[500, 2000, 20_000]);
        self.pace = d.pick(&[20, 500, 5000]);
    }

    /// Short backoffs, and no timer that would mend a wake-up which was forgotten.
    fn calmly(&mut self) {
        const BACKOFF: u32 = 10;
        self.linger = 0;
        self.config = self
            .config
            .linger_ms(0)
            .request_timeout_ms(500)
            .delivery_timeout_ms(5000)
            .retry_backoff_ms(BACKOFF)
            .retry_backoff_max_ms(BACKOFF)
            .reconnect_backoff_ms(BACKOFF)
            .reconnect_backoff_max_ms(BACKOFF)
            .metadata_max_age_ms(300_000)
            .connections_max_idle_ms(None);
        self.pause = u64::from(BACKOFF * 2 * 6 / 5 + 10);
    }

    /// Few partitions, and many records, of which a batch holds several.
    fn small(&mut self, d: &mut Dice) {
        self.longest = self.longest.min(16);
        self.records = self.records.max(d.pick(&[30, 120]));
        self.topics.truncate(1);
        self.topics[0].1 = d.within(1, 2) as i32;
    }
}
