//! What is told of the records: trouble with its figures while nothing is delivered, and figures at the end.
use super::{Figures, Telemetry};
use crate::board::Board;
use crate::lan9118::Traffic;
use kurier_core::sender::{Trouble, TroubleKind};

/// Milliseconds between two reports while nothing is delivered.
const REPORT_MS: u32 = 5000;

/// Whether all is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not yet.
    Going,
    /// Every record has its outcome; well if each was acknowledged.
    Over { well: bool },
}

/// What to look at, where the kind alone does not say it.
const fn hint(trouble: Trouble) -> &'static str {
    match (trouble.kind, trouble.greeting) {
        (TroubleKind::Closed | TroubleKind::NotKafka, true) => {
            ", before it greeted: does that port want TLS?"
        }
        (TroubleKind::Closed, false) => {
            ", after it greeted: does that port want SASL, or did the broker stop?"
        }
        _ => "",
    }
}

impl Telemetry {
    /// Tells what became of the records, and that nothing did.
    pub fn report(&mut self, board: &mut Board, traffic: Traffic, now: u64) -> Progress {
        self.told = false;
        self.settle(board, now);
        let open = self.open();
        if now >= self.next_report() {
            self.reported = now;
            if let Some((trouble, at)) = self.producer.trouble() {
                let (kind, hint) = (trouble.kind, hint(trouble));
                board.say(format_args!("trouble: {kind:?} at {}:{}{hint}", at.host, at.port));
            } else if self.obstacle.is_some() {
                self.say_obstacle(board);
            } else if self.topic.is_some() && !self.is_known() && self.producer.stats().metadata_updates > 0 {
                let topic = self.arguments.topic;
                board.say(format_args!("trouble: topic {topic} is not there, says the cluster: create it"));
            }
            self.figures(board, traffic, now, open);
        }
        if self.has_more() || open > 0 {
            return Progress::Going;
        }
        self.figures(board, traffic, now, open);
        Progress::Over { well: self.figures.acknowledged == self.arguments.records }
    }

    /// When it is to be said again that nothing is delivered.
    pub(super) fn next_report(&self) -> u64 {
        self.reported + u64::from(REPORT_MS) * 1000
    }

    /// Whether something is to be said of the cluster: a reason to wake for the report, which a batch that lingers is not.
    pub(super) fn is_stuck(&self) -> bool {
        let waits = self.producer.requests_in_flight() > 0 || self.producer.trouble().is_some();
        self.open() > 0 && waits || self.has_more() && (self.obstacle.is_some() || !self.is_known())
    }

    /// Says why the producer does not take records.
    pub(super) fn say_obstacle(&self, board: &Board) {
        if let Some(error) = self.obstacle {
            board.say(format_args!("trouble: topic {}: {error}", self.arguments.topic));
        }
    }

    /// Records that have no outcome yet.
    const fn open(&self) -> u32 {
        let Figures { sent, acknowledged, dropped, failed, .. } = self.figures;
        sent - acknowledged - dropped - failed
    }

    fn figures(&self, board: &Board, traffic: Traffic, now: u64, open: u32) {
        let Figures { sent, missed, refused, errors, acknowledged, dropped, failed, .. } = self.figures;
        let stats = self.producer.stats();
        let (retries, opened, bytes) = (stats.retries, stats.connections_opened, stats.bytes);
        let (ms, stack) = ((now - self.started) / 1000, board.stack_used());
        let Traffic { received: frames, dropped: frames_dropped, bytes: wire, .. } = traffic;
        board.say(format_args!(
            "{{\"sent\":{sent},\"acknowledged\":{acknowledged},\"failed\":{failed},\"refused\":{refused},\"dropped\":{dropped},\
             \"missed\":{missed},\"errors\":{errors},\"open\":{open},\"batch_bytes\":{bytes},\"wire_bytes\":{wire},\"retries\":{retries},\
             \"connections\":{opened},\"frames\":{frames},\"frames_dropped\":{frames_dropped},\"ms\":{ms},\"stack\":{stack},\"sleeps\":{}}}",
            board.sleeps
        ));
    }
}
