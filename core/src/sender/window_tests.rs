//! The rules of a partition's window.
use super::window::{GapStep, WINDOW, Window};
use crate::batch::meta::flag;
use crate::host::{Buf, Buffer};
use crate::time::Millis;
use std::boxed::Box;
use std::vec::Vec;

type Batch = &'static mut Buffer;

fn batch() -> Batch {
    Box::leak(Box::new(Buffer::new(std::vec![0; 1].leak())))
}

fn window(flags: &[u16]) -> Window<Batch> {
    let mut window = Window::new();
    for (nth, flags) in (0_u32..).zip(flags) {
        let mut batch = batch();
        batch.meta_mut().flags = *flags;
        batch.meta_mut().serial = nth;
        batch.meta_mut().correlation = nth.cast_signed();
        assert!(window.push(batch).is_ok());
    }
    window
}

const NOW: Millis = Millis(100);
const SENT: u16 = flag::SEALED | flag::IN_FLIGHT;

#[test]
fn at_most_five_batches_are_on_their_way() {
    let mut five = window(&[SENT; WINDOW]);
    assert!(!five.can_take(NOW, 9));
    assert!(window(&[SENT; 4]).can_take(NOW, 9));
    assert!(!window(&[SENT; 1]).can_take(NOW, 1));
    assert!(five.push(batch()).is_err());
}

#[test]
fn what_is_to_be_sent_again_goes_before_anything_new_and_in_order() {
    let mut w = window(&[flag::SEALED, SENT, flag::SEALED]);
    assert!(!w.can_take(NOW, 5));
    assert_eq!(w.next_to_resend(NOW), Some(0));
    w.muted = true;
    assert_eq!(w.next_to_resend(NOW), None);
    w.muted = false;
    w.retry_at = Some(NOW.plus(1));
    assert_eq!(w.next_to_resend(NOW), None);
    assert_eq!(w.next_to_resend(NOW.plus(1)), Some(0));
}

#[test]
fn batches_leave_from_the_front_and_not_while_a_request_carries_them() {
    let mut w = window(&[SENT, flag::ACKED, flag::FAILED | SENT]);
    assert!(w.pop_resolved().is_none());
    w.get_mut(0).unwrap().meta_mut().flags = flag::ACKED;
    assert_eq!(w.pop_resolved().unwrap().meta().serial, 0);
    assert_eq!(w.pop_resolved().unwrap().meta().serial, 1);
    assert!(w.pop_resolved().is_none());
    assert_eq!(w.len(), 1);
    assert_eq!(w.find(0, 2), Some(0));
    assert_eq!(w.find(1, 2), None);
    w.get_mut(0).unwrap().meta_mut().flags = flag::SEALED;
    assert_eq!(w.find(0, 2), None, "it was taken back: that request is not its own any more");
}

#[test]
fn a_gap_is_asked_about_or_closed_but_never_jumped() {
    let mut w = window(&[flag::SEALED | flag::MAYBE, flag::SEALED]);
    assert_eq!(w.close_gap(), GapStep::Nothing);
    w.gap = true;
    assert!(!w.can_take(NOW, 5));
    assert_eq!(w.close_gap(), GapStep::Probe);
    w.get_mut(0).unwrap().meta_mut().flags |= flag::IN_FLIGHT;
    assert_eq!(w.close_gap(), GapStep::Nothing);
    // One at a time, until the probe's answer has come.
    assert_eq!(w.next_to_resend(NOW), None);
    w.get_mut(0).unwrap().meta_mut().flags = flag::SEALED;
    assert_eq!(w.close_gap(), GapStep::Restamp);
    w.unstamp();
    assert!(w.iter().all(|batch| batch.meta().flags & flag::SEALED == 0));
}

#[test]
fn what_may_be_written_is_asked_about_the_oldest_first_then_from_the_newest_on() {
    const MAYBE: u16 = flag::SEALED | flag::MAYBE;
    let mut w = window(&[MAYBE, MAYBE, MAYBE, flag::SEALED]);
    w.gap = true;
    for asked in [0, 2, 1] {
        assert_eq!((w.close_gap(), w.next_to_resend(NOW)), (GapStep::Probe, Some(asked)));
        w.get_mut(asked).unwrap().meta_mut().flags |= flag::DENIED;
    }
    assert_eq!(w.close_gap(), GapStep::Restamp);
    w.unstamp();
    assert!(w.iter().all(|batch| batch.meta().flags == 0));
}

/// Flags that settle a batch, or say that a request asks about it already.
#[test]
fn only_what_is_neither_settled_denied_nor_on_its_way_is_in_doubt() {
    const MAYBE: u16 = flag::SEALED | flag::MAYBE;
    for settled in [flag::ACKED, flag::FAILED, flag::DENIED] {
        let mut w = window(&[MAYBE | flag::DENIED, MAYBE | settled]);
        w.gap = true;
        assert_eq!(w.close_gap(), GapStep::Restamp, "{settled:#x}");
        assert_eq!(w.next_to_resend(NOW), Some(0), "{settled:#x}");
    }
    let mut w = window(&[MAYBE | flag::DENIED, MAYBE]);
    w.gap = true;
    assert_eq!(w.close_gap(), GapStep::Probe);
    assert_eq!(w.next_to_resend(NOW), Some(1));
    w.get_mut(1).unwrap().meta_mut().flags |= flag::IN_FLIGHT;
    assert_eq!((w.close_gap(), w.next_to_resend(NOW)), (GapStep::Nothing, None));
}

#[test]
fn what_lies_before_a_batch_in_the_log_is_there_too_if_it_was_sent() {
    const MAYBE: u16 = flag::SEALED | flag::MAYBE;
    let mut w = window(&[MAYBE | flag::DENIED, flag::SEALED, MAYBE | flag::FAILED, MAYBE, MAYBE]);
    w.settle_before(3);
    let acked: Vec<bool> = w.iter().map(|b| b.meta().flags & flag::ACKED != 0).collect();
    assert_eq!(acked, [true, false, false, false, false]);
}

#[test]
fn records_that_may_lie_before_a_batch_in_the_log_are_counted() {
    const MAYBE: u16 = flag::SEALED | flag::MAYBE;
    let mut w = window(&[MAYBE, SENT | flag::MAYBE, MAYBE | flag::ACKED, flag::SEALED, MAYBE]);
    for (batch, count) in w.iter_mut().zip([10, 20, 40, 80, 160]) {
        batch.meta_mut().builder.count = count;
    }
    let counted: [u32; 6] = core::array::from_fn(|index| w.in_doubt_before(index));
    assert_eq!(counted, [0, 10, 10, 10, 10, 170]);
    w.get_mut(0).unwrap().meta_mut().builder.count = u32::MAX;
    assert_eq!(w.in_doubt_before(5), u32::MAX);
}

#[test]
#[cfg(feature = "pieces")]
fn of_a_batch_in_pieces_the_rest_must_be_in_doubt_too() {
    const MAYBE: u16 = flag::SEALED | flag::MAYBE;
    for (flags, counted) in [(MAYBE, 0), (MAYBE | flag::MAYBE_REST, 7), (flag::SEALED | flag::MAYBE_REST, 0)]
    {
        let mut w = window(&[flags, SENT]);
        let meta = w.get_mut(0).unwrap().meta_mut();
        (meta.target, meta.builder.count) = (100, 7);
        meta.builder.len = 1000;
        assert!(meta.has_rest());
        assert_eq!(w.in_doubt_before(1), counted, "{flags:#x}");
        w.settle_before(1);
        assert_eq!(w.iter().next().unwrap().meta().flags & flag::ACKED != 0, counted > 0, "{flags:#x}");
    }
}

#[test]
fn behind_a_batch_that_was_never_written_nothing_is_asked_about() {
    let mut w = window(&[flag::SEALED, flag::SEALED | flag::MAYBE]);
    w.gap = true;
    assert_eq!(w.close_gap(), GapStep::Restamp);
}

#[test]
fn only_what_is_open_and_not_on_its_way_is_stamped_anew() {
    const ALL: u16 = flag::SEALED | flag::RESEAL | flag::MAYBE | flag::MAYBE_REST | flag::DENIED;
    let mut w = window(&[ALL | flag::ACKED, ALL | flag::FAILED, ALL | flag::IN_FLIGHT, ALL, flag::SEALED]);
    w.unstamp();
    let flags: Vec<u16> = w.iter().map(|batch| batch.meta().flags).collect();
    assert_eq!(flags, [ALL | flag::ACKED, ALL | flag::FAILED, ALL | flag::IN_FLIGHT, 0, 0]);
}

#[test]
fn an_acknowledgement_behind_a_batch_is_seen_and_its_own_is_not() {
    let w = window(&[SENT, SENT | flag::ACKED, flag::SEALED]);
    assert_eq!([0, 1, 2, 7].map(|index| w.is_acked_behind(index)), [true, false, false, false]);
    assert!(!window(&[flag::ACKED, SENT]).is_acked_behind(0));
}

#[test]
#[cfg(feature = "pieces")]
fn nothing_new_is_sent_behind_pieces_until_all_of_them_are_over() {
    for (end, free) in [(0, false), (flag::ACKED, true), (flag::FAILED, true)] {
        let mut w = window(&[SENT, SENT | end]);
        w.get_mut(1).unwrap().meta_mut().target = 1000;
        assert_eq!(w.can_take(NOW, 5), free, "{end:#x}");
    }
}

#[test]
fn a_deadline_that_was_kept_for_weeks_would_lie_ahead_again() {
    // Why `forget_passed` exists: 2^31 ms are 24.8 days.
    let mut w = window(&[flag::SEALED]);
    w.retry_at = Some(NOW);
    assert_eq!(w.next_to_resend(NOW), Some(0));
    assert_eq!(w.next_to_resend(Millis(NOW.0.wrapping_add(1 << 31).wrapping_add(1))), None);
}
