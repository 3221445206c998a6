//! Deliberate defects of the core, one of which may be switched on: whoever judges a producer must catch each.
//!
//! They exist only where the compiler is given `--cfg kurier_defects`, for `cargo xtask sim --defects`; everywhere
//! else [`on`] is a constant `false` and nothing of them is compiled. A hook stands where the rule is decided that
//! it breaks. What no peer, user or host could ever notice is no defect and has no place here.

macro_rules! defects {
    ($(#[doc = $what:literal] $name:ident,)*) => {
        /// One broken rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Defect {
            $(#[doc = $what] $name,)*
        }

        #[cfg(kurier_defects)]
        impl Defect {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What goes wrong, in words.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$name => $what.trim_ascii(),)*
                }
            }
        }
    };
}

defects! {
    /// An acknowledgement is not taken for one.
    AckDropped,
    /// A batch that is to be sent again still counts as being on its way.
    CursorNotRewound,
    /// What is sent again begins with the youngest batch.
    RewoundToTheYoungest,
    /// New batches go out while older ones wait to be sent again.
    MuteForgotten,
    /// A retry does not wait for its backoff.
    RetryWithoutBackoff,
    /// A retry is stamped with the next sequence instead of its own.
    RestampedAtRetry,
    /// The next batch gets the sequence of the one before.
    SequenceReused,
    /// A new epoch is the old one again, with sequences from 0.
    EpochTakenBack,
    /// What may have been written is stamped anew behind a gap, like what never was.
    MaybeWrittenRestamped,
    /// Nobody remembers that a partition's sequence was forgotten with its slot.
    ForgottenNotRemembered,
    /// Batches are pipelined before the broker has acknowledged any.
    PipelinedUnproven,
    /// More batches and requests are in flight than `max.in.flight.requests.per.connection`.
    InFlightLimitIgnored,
    /// OUT_OF_ORDER_SEQUENCE_NUMBER counts as success.
    OutOfOrderIsSuccess,
    /// DUPLICATE_SEQUENCE_NUMBER is a failure, of which nothing was written.
    DuplicateIsFailure,
    /// Errors that leave it open whether a batch was written are taken for refusals.
    MaybeErrorIsRefusal,
    /// A definite refusal cancels an earlier attempt that may have been written.
    RefusalCancelsMaybe,
    /// What a lost link had carried is called not written.
    LostLinkForgetsMaybe,
    /// What is in flight when its time is over is called not written.
    ExpiryForgetsMaybe,
    /// What is in flight at an abort is called not written.
    AbortForgetsMaybe,
    /// Each piece of a batch that was too large gets the sequence of the first.
    PiecesShareSequence,
    /// What comes behind a batch in pieces does not wait for all of them.
    PiecesOvertaken,
    /// The first piece of a batch counts as all of it.
    FirstPieceIsAll,
    /// Every record of a batch is told the offset of the first.
    OffsetWithoutIndex,
    /// The timestamp that a broker gave is not told.
    AppendTimeIgnored,
    /// A delivery that was told while a request carried its batch is told again.
    ToldTwice,
    /// What fails before it was sent is never told.
    UnsentNeverTold,
    /// A delivery overtakes that of an earlier batch of its partition.
    ToldOutOfTurn,
    /// A flush does not wait for what is on its way.
    FlushEndsEarly,
    /// A closed producer takes records.
    ClosedTakesRecords,
    /// `delivery.timeout.ms` does not end what is on its way.
    DeadlineIgnored,
    /// Nobody wakes up when the backoff of a dial is over.
    WakeLost,
    /// Requests never run out of time.
    RequestNeverTimesOut,
    /// A link that is given up keeps its requests.
    LostLinkKeepsRequests,
    /// A link is dialled again without a backoff.
    DialWithoutBackoff,
    /// A failed batch's buffer is free while its request is being written.
    BufferFreedWhileWritten,
    /// A write that was cut short goes on one byte too far.
    ResumedOneByteLate,
    /// The checksum is not computed anew with a new stamp.
    ChecksumOfOldStamp,
    /// The rest of an answer that did not arrive whole is dropped.
    CarryLost,
    /// An answer is taken for that of the oldest request, whatever its number.
    CorrelationNotChecked,
    /// A throttled link goes on sending.
    ThrottleIgnored,
    /// A request is made larger than `max.request.size`.
    RequestSizeIgnored,
    /// A partition that has moved is not looked for.
    LeaderNotLookedFor,
    /// A topic that was made anew keeps the id it had.
    TopicIdKept,
    /// A topic that was made anew keeps leader epochs, and the proof that brokers count along.
    NewLifeNotNoticed,
    /// No link makes room for a broker that waits for one.
    NoLinkMakesRoom,
    /// A topic counts as unused while its records wait.
    WaitingTopicForgotten,
    /// Which records a broker blames is not told.
    BlameForgotten,
    /// A batch whose bytes hold a broker's notes is sent again.
    NotesSentAgain,
    /// A broker that sends the producer away is asked again.
    RebootstrapIgnored,
    /// A topic for which there was no room leaves the beginning of its name behind.
    HalfNameKept,
    /// Epochs of a partition that nobody leads go on in the topic that was made anew.
    LeaderlessEpochKept,
    /// What a broker has proven once it proves for ever.
    ProofNeverAges,
    /// A batch whose records have no time proves that the broker remembers the producer.
    TimelessProven,
    /// The newest time in a batch is told as the broker's own, when the broker had the batch already.
    EchoTold,
    /// A batch is tried more often than `retries` allows.
    RetriesIgnored,
    /// No batch waits for `linger.ms`.
    LingerIgnored,
    /// Batches are as large as ever after one was too large.
    LimitNotLearned,
    /// A leader of an older epoch is taken for news.
    OldEpochAccepted,
    /// Batches run out of time after three times `delivery.timeout.ms`.
    DeadlineTripled,
    /// Nobody wakes up for what is left to be read when a link's turn is over.
    ReadsLeftBehind,
    /// Nobody wakes up for what is left to be written when a link's turn is over.
    WritesLeftBehind,
    /// Nobody wakes up for the batch that has waited for one without an acknowledgement.
    NextUnansweredForgotten,
    /// Nobody wakes up when the silence is over that a broker has asked for.
    SilenceNeverEnds,
    /// Nobody wakes up to close links that are not used.
    IdleLinksStay,
}

#[cfg(kurier_defects)]
mod switch {
    use super::Defect;
    use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

    /// 0, or one more than the number of the one that is on.
    static ON: AtomicU8 = AtomicU8::new(0);

    /// Switches one defect on for the whole process, and any other off.
    pub fn set(defect: Option<Defect>) {
        ON.store(defect.map_or(0, |defect| defect as u8 + 1), Relaxed);
    }

    /// Whether this one is on.
    pub fn on(defect: Defect) -> bool {
        ON.load(Relaxed) == defect as u8 + 1
    }
}
#[cfg(kurier_defects)]
pub use switch::{on, set};

/// Whether this one is on: never.
#[cfg(not(kurier_defects))]
#[inline(always)]
pub const fn on(_: Defect) -> bool {
    false
}

/// `delivery.timeout.ms` of both halves.
pub(crate) fn deadline(ms: u32) -> u32 {
    if on(Defect::DeadlineTripled) { ms.saturating_mul(3) } else { ms }
}
