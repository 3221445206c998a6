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
        let Figures { sent, acknowledged, dropped, failed, .. } = self.figures;
        let open = sent - acknowledged - dropped - failed;
        if now.saturating_sub(self.reported) >= u64::from(REPORT_MS) * 1000 {
            self.reported = now;
            if let Some((trouble, at)) = self.producer.trouble() {
                let (kind, hint) = (trouble.kind, hint(trouble));
                board.say(format_args!("trouble: {kind:?} at {}:{}{hint}", at.host, at.port));
            }
            self.figures(board, traffic, now, open);
        }
        if self.has_more() || open > 0 {
            return Progress::Going;
        }
        self.figures(board, traffic, now, open);
        Progress::Over { well: self.figures.acknowledged == self.arguments.records }
    }

    fn figures(&self, board: &Board, traffic: Traffic, now: u64, open: u32) {
        let Figures { sent, refused, acknowledged, dropped, failed, .. } = self.figures;
        let stats = self.producer.stats();
        let (retries, opened, bytes) = (stats.retries, stats.connections_opened, stats.bytes);
        let (ms, stack) = ((now - self.started) / 1000, board.stack_used());
        let Traffic { received: frames, dropped: frames_dropped, bytes: wire, .. } = traffic;
        board.say(format_args!(
            "{{\"sent\":{sent},\"acknowledged\":{acknowledged},\"failed\":{failed},\"refused\":{refused},\"dropped\":{dropped},\
             \"open\":{open},\"batch_bytes\":{bytes},\"wire_bytes\":{wire},\"retries\":{retries},\
             \"connections\":{opened},\"frames\":{frames},\"frames_dropped\":{frames_dropped},\"ms\":{ms},\"stack\":{stack},\"sleeps\":{}}}",
            board.sleeps
        ));
    }
}
