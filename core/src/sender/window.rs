//! The sealed batches of one partition that are on their way: at most five, in sequence order, all in flight on
//! one link.
//!
//! Retrying is rewinding: after a failure that may pass, the partition is *muted* until each of its in-flight
//! batches is answered or their link is closed; then what is unresolved is sent again, from the oldest on, without
//! being re-inserted or re-sorted. Batches that were acknowledged out of turn (which only happens without
//! idempotence) are skipped.
//!
//! A batch that was too large goes in pieces, one at a time, from its place: what lies behind it waits until all of
//! them are over, because its sequence follows on the last one.
//!
//! A batch that failed for good leaves a *gap* in the sequence. Later batches cannot be known to follow on, so
//! nothing new is sent until what is in flight is resolved; see [`Window::close_gap`].
//!
//! What may have been written is asked about by sending it again, alone. An acknowledgement says that it and everything before
//! it is in the log, if its offset leaves room for that. DUPLICATE, which tells no offset, says it of that batch alone.
//! OUT_OF_ORDER_SEQUENCE_NUMBER says little: a broker that was started again remembers of a producer only the newest batch, and
//! denies the older ones, though it has them (seen on 4.3.1). So the batch is *denied*: it is in the log only if a later one is.
//! The newest is asked about next, then the one before it. When each is denied, none is in the log, and all are stamped anew.
//!
//! Invariants: batches lie in order of creation; a batch in flight keeps its bytes, and its place, whatever
//! becomes of it.
use crate::batch::Meta;
use crate::batch::meta::flag;
use crate::defect::{self, Defect};
use crate::feature;
use crate::host::Buf;
use crate::time::Millis;

/// Batches of one partition on their way at a time: what a broker remembers of an idempotent producer.
pub(super) const WINDOW: usize = crate::config::MAX_IN_FLIGHT as usize;

/// What a batch that waits to be sent, or to be sent again, has nothing of.
const TAKEN: u16 = flag::IN_FLIGHT | flag::ACKED | flag::FAILED;
/// Of these, what only sending again can tell about has but `MAYBE`.
const DOUBT: u16 = TAKEN | flag::MAYBE | flag::DENIED;

/// The batches of one partition on their way.
#[derive(Debug)]
pub(super) struct Window<B> {
    batches: [Option<B>; WINDOW],
    len: u8,
    /// No batch is sent before those in flight are answered.
    pub(super) muted: bool,
    /// A stamped batch failed: later ones may not follow on.
    pub(super) gap: bool,
    /// Not to be sent before.
    pub(super) retry_at: Option<Millis>,
    /// The last backoff was left out because a newer leader was named: the next one is not, unless it goes well.
    pub(super) hurried: bool,
}

/// What to do about a gap once nothing is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapStep {
    /// There is none, or something is in flight still.
    Nothing,
    /// Something may have been written: send it alone, as it was. Its answer tells.
    Probe,
    /// What is left was not written: it is stamped anew, under a new epoch.
    Restamp,
}

impl<B: Buf> Window<B> {
    /// Nothing on its way.
    pub(super) const fn new() -> Self {
        Self {
            batches: [const { None }; WINDOW],
            len: 0,
            muted: false,
            gap: false,
            retry_at: None,
            hurried: false,
        }
    }

    /// How many batches.
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The batches, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &B> {
        // Behind the last there is none. Not `take` and `flatten`: fifty bytes of a device at each of many places.
        self.batches.iter().filter_map(Option::as_ref)
    }

    /// The batches, oldest first, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut B> {
        self.batches.iter_mut().filter_map(Option::as_mut)
    }

    /// The batch at `index`, to look at it.
    pub(super) fn get(&self, index: usize) -> Option<&B> {
        self.batches.get(index)?.as_ref()
    }

    /// The batch at `index`.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut B> {
        self.batches.get_mut(index)?.as_mut()
    }

    /// The batch that is part of a request.
    pub(super) fn find(&self, link: u16, correlation: i32) -> Option<usize> {
        self.iter().position(|batch| {
            let meta = batch.meta();
            meta.flags & flag::IN_FLIGHT != 0 && meta.correlation == correlation && meta.link == link
        })
    }

    /// The first batch, from `from` on, that has of these flags these and no others.
    #[cfg_attr(all(target_pointer_width = "32", feature = "pipelining"), inline(never))] // many ask
    pub(super) fn first_with(&self, from: usize, of: u16, these: u16) -> Option<usize> {
        if !feature::PIPELINING {
            let found = self.get(0).is_some_and(|batch| batch.meta().flags & of == these);
            return found.then_some(0);
        }
        (from..WINDOW).find(|at| self.get(*at).is_some_and(|batch| batch.meta().flags & of == these))
    }

    /// Whether any is in a request.
    pub(super) fn is_in_flight(&self) -> bool {
        self.first_with(0, flag::IN_FLIGHT, flag::IN_FLIGHT).is_some()
    }

    /// Whether all that are in flight are on this link.
    pub(super) fn is_free_for(&self, link: u16) -> bool {
        self.iter().all(|batch| batch.meta().flags & flag::IN_FLIGHT == 0 || batch.meta().link == link)
    }

    /// Adds a batch behind the others.
    ///
    /// # Errors
    /// The window is full: the batch comes back.
    pub(super) fn push(&mut self, batch: B) -> Result<usize, B> {
        let index = self.len();
        match self.batches.get_mut(index) {
            Some(place) => {
                *place = Some(batch);
                self.len += 1;
                Ok(index)
            }
            None => Err(batch),
        }
    }

    /// The batch to be sent again, if there is one and it may go at `now`.
    pub(super) fn next_to_resend(&self, now: Millis) -> Option<usize> {
        let blocked = self.muted || self.retry_at.is_some_and(|at| !at.reached(now));
        // With a gap, one at a time: its answer decides about the others.
        if blocked || (self.gap && self.is_in_flight()) {
            return None;
        }
        // What comes behind a batch in pieces follows on its last one.
        let is_piece = |b: &B| b.meta().in_pieces() && b.meta().flags & flag::IN_FLIGHT != 0;
        if self.iter().any(is_piece) && !defect::on(Defect::PiecesOvertaken) {
            return None;
        }
        let oldest = self.first_unsent()?;
        if feature::PIPELINING && self.gap && !self.is_in_doubt(oldest) {
            // Denied, or never written: the newest of those that may have been is the one to know about.
            return (oldest..self.len()).rev().find(|at| self.is_in_doubt(*at)).or(Some(oldest));
        }
        Some(oldest)
    }

    /// Whether only sending it again can tell if the batch at `index` was written.
    fn is_in_doubt(&self, index: usize) -> bool {
        self.get(index).is_some_and(|batch| batch.meta().flags & DOUBT == flag::MAYBE)
    }

    /// The batch at `index` is in the log, and so is what lies before it and may have been written.
    pub(super) fn settle_before(&mut self, index: usize) {
        for batch in self.iter_mut().take(index) {
            let meta = batch.meta_mut();
            if may_be_whole(meta) {
                meta.flags |= flag::ACKED;
            }
        }
    }

    /// Records of what would be settled if the batch at `index` is in the log.
    pub(super) fn in_doubt_before(&self, index: usize) -> u32 {
        if !feature::PIPELINING {
            return 0;
        }
        let open = self.iter().take(index).map(Buf::meta).filter(|meta| may_be_whole(meta));
        open.fold(0, |sum, meta| meta.builder.count.saturating_add(sum))
    }

    /// Whether a batch behind `index` was acknowledged.
    pub(super) fn is_acked_behind(&self, index: usize) -> bool {
        feature::PIPELINING && self.first_with(index + 1, flag::ACKED, flag::ACKED).is_some()
    }

    /// Whether a batch goes in pieces: nothing new is sent before all of it is over.
    fn is_divided(&self) -> bool {
        let open = |b: &B| b.meta().flags & (flag::ACKED | flag::FAILED) == 0;
        self.iter().any(|b| b.meta().in_pieces() && open(b))
    }

    /// Whether the batch at `index` is neither resolved nor in flight.
    pub(super) fn is_unsent(&self, index: usize) -> bool {
        self.get(index).is_some_and(|batch| batch.meta().flags & TAKEN == 0)
    }

    /// The oldest batch that is neither resolved nor in flight.
    pub(super) fn first_unsent(&self) -> Option<usize> {
        if defect::on(Defect::RewoundToTheYoungest) {
            return (0..self.len()).rev().find(|at| self.is_unsent(*at));
        }
        self.first_with(0, TAKEN, 0)
    }

    /// Whether a new batch may be added and sent, with at most `limit` in flight.
    pub(super) fn can_take(&self, now: Millis, limit: usize) -> bool {
        (!self.muted || defect::on(Defect::MuteForgotten))
            && !self.gap
            && self.len() < limit.min(WINDOW)
            && self.retry_at.is_none_or(|at| at.reached(now))
            && (self.first_unsent().is_none() || defect::on(Defect::MuteForgotten))
            && (!self.is_divided() || defect::on(Defect::PiecesOvertaken))
    }

    /// Takes the oldest batch if it is resolved, and not needed by a request or by a delivery that is still to be
    /// told.
    pub(super) fn pop_resolved(&mut self) -> Option<B> {
        let flags = self.batches.first()?.as_ref()?.meta().flags;
        let needed = flags & flag::IN_FLIGHT != 0 && !defect::on(Defect::BufferFreedWhileWritten);
        let resolved = flags & (flag::ACKED | flag::FAILED) != 0 && !needed;
        if resolved { self.pop() } else { None }
    }

    /// Takes the oldest batch.
    pub(super) fn pop(&mut self) -> Option<B> {
        let batch = self.batches.first_mut()?.take()?;
        self.batches.rotate_left(1);
        self.len -= 1;
        Some(batch)
    }

    /// What to do about a gap.
    pub(super) fn close_gap(&self) -> GapStep {
        if !self.gap || self.is_in_flight() {
            return GapStep::Nothing;
        }
        let oldest = self.first_unsent().and_then(|index| self.get(index));
        // What is behind a batch that cannot have been written cannot have been either.
        let maybe = oldest.is_some_and(|batch| batch.meta().flags & flag::MAYBE != 0);
        let in_doubt = self.first_with(0, DOUBT, flag::MAYBE).is_some();
        if maybe && in_doubt && !defect::on(Defect::MaybeWrittenRestamped) {
            GapStep::Probe
        } else {
            GapStep::Restamp
        }
    }

    /// Makes every unresolved batch one that was never stamped.
    pub(super) fn unstamp(&mut self) {
        for batch in self.iter_mut() {
            let meta = batch.meta_mut();
            if meta.flags & (flag::ACKED | flag::FAILED | flag::IN_FLIGHT) == 0 {
                meta.flags &= !(flag::SEALED | flag::RESEAL | flag::MAYBE | flag::MAYBE_REST | flag::DENIED);
            }
        }
    }
}

/// Whether all of a batch that is neither resolved nor in flight may have been written.
const fn may_be_whole(meta: &Meta) -> bool {
    let open = meta.flags & (flag::IN_FLIGHT | flag::ACKED | flag::FAILED) == 0;
    let whole = !meta.has_rest() || meta.flags & flag::MAYBE_REST != 0;
    open && whole && meta.flags & flag::MAYBE != 0
}

impl<B: Buf> Default for Window<B> {
    fn default() -> Self {
        Self::new()
    }
}
