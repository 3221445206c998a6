//! Quotas of clients: how long one that was too fast is not read.
//!
//! Of bytes produced and of time spent on requests, by client id and broker; not of users, fetches or controllers. A broker's time is
//! not modelled: every request takes [`REQUEST_MS`] of it. Source: `ClientQuotaManager`, `QuotaUtils`, `Rate`, `SampledStat` of
//! Kafka 4.3 with `quota.window.num` 11 and `quota.window.size.seconds` 1.
use std::collections::{BTreeMap, VecDeque};

/// `quota.window.num`.
const WINDOWS: i64 = 11;
/// `quota.window.size.seconds`, in ms.
const WINDOW_MS: i64 = 1000;
/// A broker throttles for requests by no more than a window.
const MAX_REQUEST_THROTTLE_MS: i64 = WINDOW_MS;
/// What a request takes of a broker's time, in ms.
const REQUEST_MS: f64 = 0.1;

/// What a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quota {
    /// `producer_byte_rate`: bytes of Produce requests per second. Default no limit.
    pub producer_byte_rate: Option<f64>,
    /// `request_percentage`: of one thread's time, 100 being all of it. Default no limit.
    pub request_percentage: Option<f64>,
}

/// The quotas of a cluster and what each broker has seen of each client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quotas {
    limits: BTreeMap<String, Quota>,
    used: BTreeMap<(i32, String), Used>,
}

#[derive(Debug, Clone, Default)]
struct Used {
    bytes: Rate,
    time: Rate,
}

impl Quotas {
    pub(crate) fn set(&mut self, client_id: &str, quota: Quota) {
        self.limits.insert(client_id.to_owned(), quota);
        self.used.retain(|(_, id), _| id != client_id);
    }

    /// Counts a request of `produced` bytes (`None`: it is no Produce) and answers for how many ms its client is to be throttled.
    pub(crate) fn record(
        &mut self,
        broker: i32,
        client_id: &str,
        produced: Option<usize>,
        exempt: bool,
        now: i64,
    ) -> i32 {
        let Some(quota) = self.limits.get(client_id) else { return 0 };
        let used = self.used.entry((broker, client_id.to_owned())).or_default();
        let mut throttle_ms = 0;
        if let Some((limit, bytes)) = quota.producer_byte_rate.zip(produced) {
            throttle_ms = used.bytes.record(bytes as f64, limit, now);
        }
        if let Some(limit) = quota.request_percentage.filter(|_| !exempt) {
            let percents = REQUEST_MS / WINDOW_MS as f64 * 100.0;
            let of_time = used.time.record(percents, limit, now).min(MAX_REQUEST_THROTTLE_MS);
            throttle_ms = throttle_ms.max(of_time);
        }
        i32::try_from(throttle_ms).unwrap_or(i32::MAX)
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    start: i64,
    latest: i64,
    sum: f64,
}

/// What was used per second over the last windows. Samples are kept while they reach into the windows looked at.
#[derive(Debug, Clone, Default)]
struct Rate {
    samples: VecDeque<Sample>,
}

impl Rate {
    /// Counts `amount` and answers how many ms without any use would bring the rate down to `limit`.
    fn record(&mut self, amount: f64, limit: f64, now: i64) -> i64 {
        match self.samples.back_mut().filter(|sample| now - sample.start < WINDOW_MS) {
            Some(sample) => {
                sample.sum += amount;
                sample.latest = now;
            }
            None => self.samples.push_back(Sample { start: now, latest: now, sum: amount }),
        }
        self.samples.retain(|sample| now - sample.latest < WINDOWS * WINDOW_MS);
        let oldest = self.samples.front().map_or(now, |sample| sample.start);
        let mut elapsed = now - oldest;
        // A client that has just begun is not judged by its first moment.
        let missing = WINDOWS - 1 - elapsed / WINDOW_MS;
        elapsed += missing.max(0) * WINDOW_MS;
        let elapsed = elapsed.max(1) as f64;
        let rate = self.samples.iter().map(|sample| sample.sum).sum::<f64>() / elapsed * WINDOW_MS as f64;
        if rate > limit { ((rate - limit) / limit * elapsed).round() as i64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_worth_are_free_and_the_rest_is_waited_for() {
        let mut rate = Rate::default();
        assert_eq!(rate.record(100_000.0, 10_000.0, 5), 0);
        assert_eq!(rate.record(15_000.0, 10_000.0, 5), 1500);
        assert_eq!(rate.record(0.0, 10_000.0, 505), 1000, "half a second later");
        assert_eq!(rate.record(0.0, 10_000.0, 1505), 1000, "the windows before the first count as whole");
        assert_eq!(rate.record(0.0, 10_000.0, 11_505), 0);
    }

    #[test]
    fn what_left_the_windows_is_forgotten() {
        let mut rate = Rate::default();
        assert_eq!(rate.record(200_000.0, 10_000.0, 0), 10_000);
        assert_eq!(rate.record(100_000.0, 10_000.0, 11_000), 0);
    }

    #[test]
    fn only_clients_with_a_quota_are_throttled_and_requests_by_a_second_at_most() {
        let mut quotas = Quotas::default();
        quotas.set("slow", Quota { request_percentage: Some(1e-6), ..Quota::default() });
        assert_eq!(quotas.record(1, "slow", None, false, 0), 1000);
        assert_eq!(quotas.record(1, "slow", None, true, 0), 0, "acks 0 is exempt");
        assert_eq!(quotas.record(1, "other", Some(1_000_000), false, 0), 0);
    }
}
