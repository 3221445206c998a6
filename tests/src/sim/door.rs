//! What a producer must have learned, or must wait for, by the moment at which it writes a batch: rules that nothing in a
//! log can show, because a broker mends their breach, or nobody loses anything by it.
//!
//! A partition whose leader was told for one epoch is not sent to one of an earlier epoch. After a batch was too large,
//! later ones of its topic are smaller. A batch is tried as often as `retries` allows. One that is alone
//! waits for `linger.ms`. What answers tell is read from their bytes by hand, see `frames`.
use super::frames::{Place, Said, Sent, View};
use std::collections::{BTreeMap, BTreeSet};

/// What the settings say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    pub(super) retries: u32,
    /// ms; 0 where requests may be full, for then a batch may go without those that it was to go along with.
    pub(super) linger: u64,
    /// Partitions that the producer has room for: of more of them it may forget what it knew.
    pub(super) slots: usize,
    /// Leaders move: else nobody need know them.
    pub(super) leaders_move: bool,
    /// Brokers stamp records.
    pub(super) append_time: bool,
}

/// Who leads a partition, as it was told.
#[derive(Debug, Default)]
struct Lead {
    /// The newest, and whom it was told for.
    epoch: i64,
    leaders: BTreeSet<i64>,
    /// Leaders of earlier epochs, told before or after.
    former: BTreeSet<i64>,
    /// Those that answers to Produce named (KIP-951), and metadata that is still being read: the producer may know of them.
    hints: BTreeSet<(i64, i64)>,
    /// When the newest epoch was told.
    moment: u64,
}

/// What one producer has learned.
#[derive(Debug, Default)]
pub(super) struct Door {
    rules: Rules,
    leads: BTreeMap<Place, Lead>,
    /// The id of each topic, as it was told last.
    ids: BTreeMap<Vec<u8>, Vec<u8>>,
    /// When names and ids came to stand for other topics.
    renamed: BTreeMap<Vec<u8>, u64>,
    /// Partitions that were told of.
    told: BTreeSet<Place>,
    tries: BTreeMap<(u64, u64), u32>,
    /// Batches that were too large: their bytes.
    too_large: BTreeMap<(u64, u64), usize>,
    /// Topics (by id) with the size that was too large, and how many records there were when the producer had learned it.
    limits: BTreeMap<Vec<u8>, (usize, u64)>,
    /// The youngest batch: its first record, and when it was opened, in ms.
    youngest: Option<(u64, u64)>,
    /// Batches of records before this one need not wait.
    hurried: u64,
}

impl Door {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Of another producer with the same settings.
    pub(super) fn after(&self) -> Self {
        Self::new(self.rules)
    }

    /// A batch was opened with this record, at `now` ms.
    pub(super) fn opened(&mut self, record: u64, now: u64) {
        self.youngest = Some((record, now));
    }

    /// Whatever lingers goes now.
    pub(super) fn hurry(&mut self, records: u64) {
        self.hurried = records;
    }

    /// Whether a topic was told to have another id since `moment`.
    pub(super) fn is_renamed(&self, topic: &[u8], moment: u64) -> bool {
        self.renamed.get(topic).is_some_and(|at| *at >= moment)
    }

    /// Whether it matters who is told to lead.
    pub(super) const fn wants_leaders(&self) -> bool {
        self.rules.leaders_move
    }

    /// Whether a batch is one that may have to linger.
    pub(super) fn may_linger(&self, sent: &Sent) -> bool {
        self.rules.linger > 0 && self.youngest.is_some_and(|(first, _)| first == sent.first)
    }

    /// The producer has read what a broker knows of topics.
    pub(super) fn learned(&mut self, topics: &[View], moment: u64) {
        self.name(topics, moment);
        for (topic, (partition, leader, epoch)) in pairs(topics) {
            self.told.insert((topic.name.clone(), partition));
            for key in [&topic.name, &topic.id] {
                self.leads.entry((key.clone(), partition)).or_default().told(leader, epoch, moment);
            }
        }
    }

    /// It is about to; nobody can tell how much of it has been looked at.
    pub(super) fn learns(&mut self, topics: &[View], moment: u64) {
        self.name(topics, moment);
        for (topic, (partition, leader, epoch)) in pairs(topics) {
            for key in [&topic.name, &topic.id] {
                self.leads.entry((key.clone(), partition)).or_default().hints.insert((leader, epoch));
            }
        }
    }

    /// A topic that has another id was made anew, or is told by one who has not heard of it: epochs begin again.
    fn name(&mut self, topics: &[View], moment: u64) {
        for topic in topics {
            if let Some(before) = self.ids.insert(topic.name.clone(), topic.id.clone())
                && before != topic.id
            {
                for key in [&before, &topic.id, &topic.name] {
                    self.renamed.insert(key.clone(), moment);
                }
                self.leads.retain(|(key, _), _| *key != before && *key != topic.id && *key != topic.name);
            }
        }
    }

    /// It has read what became of a batch.
    pub(super) fn answered(&mut self, sent: &Sent, (_, error, hint): &Said) {
        if *error == 10 {
            self.too_large.insert((sent.first, sent.last), sent.len);
        }
        if let (Some(hint), Some(lead)) = (hint, self.leads.get_mut(&sent.place)) {
            lead.hints.insert(*hint);
        }
    }

    /// It writes a batch to a broker (or to nobody that is known), `alone` or not, in a request that was first tried at
    /// `tried`, at `now` ms, when there are `records`.
    pub(super) fn writes(
        &mut self,
        sent: &Sent,
        (broker, alone): (i64, bool),
        tried: u64,
        now: u64,
        records: u64,
    ) -> Result<(), String> {
        let (first, last) = (sent.first, sent.last);
        let what = |about: String| Err(format!("the batch of record {first} in {} {about}", sent.place.1));
        if self.told.len() <= self.rules.slots
            && let Some(lead) = self.leads.get(&sent.place)
            && lead.moment < tried
            // Else it has moved to another port since the link was opened: nobody can tell who it is.
            && broker >= 0
            && lead.former.contains(&broker)
            && !lead.leaders.contains(&broker)
            && !lead.hints.iter().any(|(leader, epoch)| *leader == broker && *epoch >= lead.epoch)
        {
            let (leaders, epoch) = (&lead.leaders, lead.epoch);
            return what(format!(
                "goes to broker {broker}, though {leaders:?} is told to lead since epoch {epoch}"
            ));
        }
        let tries = self.tries.entry((first, last)).or_default();
        *tries += 1;
        if *tries > self.rules.retries.saturating_add(1) {
            return what(format!("is tried {tries} times, {} retries are allowed", self.rules.retries));
        }
        let lingers = alone && *tries == 1 && first >= self.hurried;
        if let Some((youngest, opened)) = self.youngest
            && lingers
            && youngest == first
            && now < opened + self.rules.linger
        {
            return what(format!("goes after {} ms, linger.ms is {}", now - opened, self.rules.linger));
        }
        // It goes in pieces, so it was understood that it is too large.
        let whole = self.too_large.iter().find(|((from, to), _)| *from == first && last < *to);
        if let Some((batch, len)) = whole.map(|(batch, len)| (*batch, *len)) {
            self.too_large.remove(&batch);
            if sent.place.0.len() == ID {
                let limit = self.limits.entry(sent.place.0.clone()).or_insert((len, records));
                if len < limit.0 {
                    *limit = (len, records);
                }
            }
        }
        if let Some((len, since)) = self.limits.get(&sent.place.0)
            && first >= *since
            && last > first
            && sent.len >= *len
        {
            return what(format!("has {} bytes, and one of {len} was too large", sent.len));
        }
        Ok(())
    }
}

/// Each partition with its topic.
fn pairs(topics: &[View]) -> impl Iterator<Item = (&View, (i32, i64, i64))> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(move |partition| (topic, *partition)))
}

/// Bytes of a topic's id; names here are shorter.
const ID: usize = 16;

impl Lead {
    fn told(&mut self, leader: i64, epoch: i64, moment: u64) {
        if epoch > self.epoch || self.leaders.is_empty() {
            self.former.append(&mut self.leaders);
            self.epoch = epoch;
            self.moment = moment;
            self.leaders.insert(leader);
        } else if epoch == self.epoch {
            self.leaders.insert(leader);
        } else {
            self.former.insert(leader);
        }
    }
}
