//! Batches that a broker calls too large (MESSAGE_TOO_LARGE) go in pieces.
use super::stage::{Stage, config};
use kurier_broker::Fault;
use kurier_core::config::Config;
use kurier_core::error::Fate;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;

fn both_kinds() -> [Config<'static>; 2] {
    [config(), config().enable_idempotence(false)]
}

/// One record, so that the broker knows the producer and batches may follow one another.
fn begun(config: Config<'static>) -> Stage {
    let mut stage = Stage::new(config);
    stage.send(8);
    stage.flush();
    stage.take_seen();
    stage
}

/// A full batch of 1024 bytes: 40 records.
fn fill(stage: &mut Stage, count: usize) {
    for _ in 0..count {
        stage.send(16);
    }
}

#[test]
fn the_pieces_of_a_batch_have_its_records_in_order_at_the_offsets_that_are_told() {
    for config in both_kinds() {
        let mut stage = begun(config.linger_ms(50));
        stage.limit(600);
        fill(&mut stage, 35);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (36, 0, 0));
        for id in 0..36 {
            assert_eq!(stage.told(id).offset, Some(i64::try_from(id).unwrap()));
        }
        assert_eq!(stage.stats().splits, 1);
        assert_eq!((stage.stats().retries, stage.stats().record_errors), (0, 0), "no attempt is counted");
        let seen = stage.take_seen();
        assert!(
            seen.len() == 4
                && seen[0].len > 600
                && seen[1..].iter().all(|piece| piece.len <= seen[0].len / 2)
        );
    }
}

#[test]
fn pieces_share_the_sequence_of_their_batch() {
    let mut stage = begun(config().linger_ms(50));
    stage.limit(600);
    fill(&mut stage, 35);
    stage.flush();
    let seen = stage.take_seen();
    let mut next = 1;
    assert_eq!((seen[0].sequence, seen[0].count), (1, 35));
    for piece in &seen[1..] {
        assert_eq!((piece.sequence, piece.epoch), (next, 0));
        next += piece.count;
    }
    assert_eq!(next, 36);
    // And what comes after them follows on.
    fill(&mut stage, 5);
    stage.flush();
    assert_eq!(stage.take_seen()[0].sequence, 36);
    stage.check();
}

#[test]
fn the_time_of_a_piece_that_the_broker_has_already_is_not_told_as_the_brokers_own() {
    let mut stage = begun(config().linger_ms(50));
    stage.limit(600);
    // The first piece is in the log when it is sent again, and the newest time in it is not that of its batch.
    stage.inject(|nth, _| (nth == 1).then(Fault::close_after));
    for _ in 0..3 {
        fill(&mut stage, 10);
        stage.turns(2);
    }
    stage.flush();
    stage.check();
    assert_eq!(stage.stats().splits, 1);
    for id in 1..31 {
        assert_eq!(stage.told(id).timestamp, None, "of record {id}");
    }
}

#[test]
fn a_piece_that_is_too_large_again_is_halved_again() {
    for config in both_kinds() {
        let mut stage = begun(config.linger_ms(50));
        stage.limit(130);
        fill(&mut stage, 35);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (36, 0, 0));
        assert_eq!(stage.stats().splits, 3);
        let seen = stage.take_seen();
        let lens: Vec<_> = seen.iter().map(|piece| piece.len).collect();
        assert!(lens[1] <= lens[0] / 2 && lens[2] <= lens[1] / 2 && lens[3] <= lens[2] / 2, "{lens:?}");
    }
}

#[test]
fn five_batches_in_flight_keep_their_order_and_sequences() {
    for config in both_kinds() {
        let mut stage = begun(config);
        stage.limit(600);
        stage.inject(|_, _| Some(Fault::delay(20)));
        fill(&mut stage, 175);
        stage.until(|stage| stage.seen.lock().unwrap().len() >= 5);
        let first: Vec<_> = stage.take_seen();
        assert!(first.len() >= 5, "{first:?}");
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (176, 0, 0));
        assert!(stage.batches(0).iter().all(|(epoch, _, _)| *epoch <= 0), "no new epoch is needed");
    }
}

#[test]
fn a_record_that_alone_is_too_large_fails_alone() {
    for config in both_kinds() {
        let idempotent = config.check().unwrap().idempotence();
        let mut stage = begun(config.linger_ms(50));
        stage.limit(400);
        fill(&mut stage, 8);
        let large = stage.send(500);
        fill(&mut stage, 8);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (17, 0, 1));
        assert_eq!(stage.refusal(large), (ErrorCode::MESSAGE_TOO_LARGE, Fate::NotWritten));
        assert_eq!(stage.stats().record_errors, 1);
        // Its place in the sequence stays empty, so what follows begins a new epoch.
        let last = stage.batches(0).last().copied().unwrap();
        assert_eq!((last.0, last.1), if idempotent { (1, 0) } else { (-1, -1) });
        fill(&mut stage, 8);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (25, 0, 1));
    }
}

#[test]
fn a_record_that_is_too_large_at_either_end_fails_alone() {
    for config in both_kinds() {
        for at in [0, 8] {
            let mut stage = begun(config.linger_ms(50));
            stage.limit(400);
            fill(&mut stage, at);
            let large = stage.send(500);
            fill(&mut stage, 8 - at);
            stage.flush();
            stage.check();
            assert_eq!(stage.counts(), (9, 0, 1));
            assert_eq!(stage.refusal(large), (ErrorCode::MESSAGE_TOO_LARGE, Fate::NotWritten));
        }
    }
}

#[test]
fn the_smallest_buffers_have_room_for_the_ends_of_pieces_or_say_less() {
    for config in both_kinds() {
        for limit in [70, 75, 80, 90, 100] {
            let mut stage = Stage::with(Storage::<1, 1, 2, 128>::new(), config.linger_ms(20), 1, 1);
            for _ in 0..4 {
                stage.limit(1024);
                stage.send(8);
                stage.flush();
                stage.limit(limit);
                stage.send(8);
                stage.send(8);
                stage.send(8);
                stage.flush();
                stage.check();
            }
            let (written, maybe, not) = stage.counts();
            assert_eq!((written, maybe, not), if limit < 76 { (4, 0, 12) } else { (16, 0, 0) }, "{limit}");
        }
    }
}

#[test]
fn a_flush_and_a_close_wait_for_the_pieces() {
    for close in [false, true] {
        let mut stage = begun(config().linger_ms(50));
        stage.limit(300);
        stage.inject(|_, _| Some(Fault::delay(20)));
        fill(&mut stage, 35);
        let mark = if close { stage.producer.close() } else { stage.producer.flush() };
        stage.until(|stage| stage.log(0).len() > 1);
        assert!(!stage.is_flushed(mark) && stage.log(0).len() < 36);
        stage.until(|stage| stage.is_flushed(mark));
        stage.check();
        assert_eq!(stage.counts(), (36, 0, 0));
    }
}

#[test]
fn at_expiry_acknowledged_pieces_stay_so_and_only_the_one_on_its_way_is_maybe_written() {
    let config = config().linger_ms(50).request_timeout_ms(500).delivery_timeout_ms(1000);
    for config in [config, config.enable_idempotence(false)] {
        let mut stage = begun(config);
        stage.limit(400);
        // Refused, 1, 2, and from then on silence.
        stage.inject(|nth, _| (nth >= 3).then(Fault::ignore));
        fill(&mut stage, 35);
        stage.flush();
        stage.check();
        let (written, maybe, not) = stage.counts();
        assert_eq!(written + maybe + not, 36);
        assert!(written > 5 && maybe > 2 && not > 2, "{:?}", stage.counts());
        let mut fates = stage.fates();
        assert_eq!(written, stage.log(0).len());
        fates.dedup();
        assert_eq!(fates, [Fate::Written, Fate::MaybeWritten, Fate::NotWritten]);
        // Everything is mended for what comes after.
        stage.inject(|_, _| None);
        fill(&mut stage, 10);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (written + 10, maybe, not));
    }
}

#[test]
fn an_abort_between_the_pieces_tells_each_record_once() {
    for config in both_kinds() {
        let mut stage = begun(config.linger_ms(50));
        stage.limit(300);
        stage.inject(|_, _| Some(Fault::delay(20)));
        fill(&mut stage, 35);
        stage.until(|stage| stage.log(0).len() > 12);
        stage.producer.abort();
        stage.turns(200);
        stage.check();
        let (written, maybe, not) = stage.counts();
        assert!(written > 1 && maybe > 0 && not > 0 && written + maybe + not == 36);
        assert_eq!(stage.producer.free_buffers(), 12);
    }
}

#[test]
fn a_leader_that_moves_between_the_pieces_gets_the_others() {
    for config in both_kinds() {
        let mut stage = begun(config.linger_ms(50));
        stage.limit(300);
        stage.inject(|_, _| Some(Fault::delay(5)));
        fill(&mut stage, 35);
        stage.until(|stage| stage.log(0).len() > 12);
        let to = 3 - stage.net.cluster.leader(super::stage::NAME, 0).unwrap().0;
        assert!(stage.net.cluster.move_leader(super::stage::NAME, 0, to));
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (36, 0, 0));
    }
}

#[test]
fn a_piece_whose_answer_is_lost_is_sent_again_and_not_doubled() {
    for fault in
        [Fault::close_after(), Fault::close_before(), Fault::fail_after(ErrorCode::REQUEST_TIMED_OUT)]
    {
        let mut stage = begun(config().linger_ms(50));
        stage.limit(300);
        stage.inject(move |nth, _| (nth % 3 == 2).then(|| fault.clone()));
        fill(&mut stage, 35);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (36, 0, 0));
    }
}

#[test]
fn what_was_written_before_the_limit_was_lowered_is_not_doubled_and_not_called_not_written() {
    let mut stage = begun(config().linger_ms(50));
    stage.inject(|nth, _| (nth == 0).then(Fault::close_after));
    fill(&mut stage, 35);
    stage.producer.flush();
    stage.until(|stage| stage.log(0).len() == 36);
    stage.limit(300);
    stage.flush();
    stage.check();
    assert_eq!(stage.counts(), (1, 35, 0));
    fill(&mut stage, 10);
    stage.flush();
    stage.check();
    assert_eq!(stage.counts(), (11, 35, 0));
}

#[test]
fn what_was_lost_before_the_limit_was_lowered_goes_in_pieces() {
    let mut stage = begun(config().linger_ms(50));
    stage.inject(|nth, _| (nth == 0).then(Fault::close_before));
    fill(&mut stage, 35);
    stage.producer.flush();
    stage.until(|stage| !stage.seen.lock().unwrap().is_empty());
    stage.limit(300);
    stage.flush();
    stage.check();
    assert_eq!(stage.counts(), (36, 0, 0));
    assert_eq!(stage.batches(0).last().unwrap().0, 0, "no gap, no new epoch");
}

#[test]
fn a_refusal_is_learned_from_and_does_not_come_again() {
    for config in both_kinds() {
        let mut stage = begun(config.linger_ms(5));
        stage.limit(600);
        fill(&mut stage, 800);
        stage.flush();
        let splits = stage.stats().splits;
        assert!((1..=6).contains(&splits), "{splits}");
        stage.take_seen();
        fill(&mut stage, 800);
        stage.flush();
        assert_eq!(stage.stats().splits, splits, "nothing is refused any more");
        let seen = stage.take_seen();
        let most = seen.iter().map(|batch| batch.len).max().unwrap();
        assert!(most > 300 && most <= 600, "{most}");
        // One that needs more goes alone.
        let large = stage.send(500);
        stage.flush();
        assert!(stage.told(large).outcome.is_written());
        assert_eq!(stage.counts(), (1602, 0, 0));
        stage.check();
    }
}

#[test]
fn a_batch_that_was_taken_tells_how_large_they_may_be() {
    let mut stage = begun(config().linger_ms(50));
    stage.limit(900);
    fill(&mut stage, 28);
    stage.flush();
    let taken = stage.take_seen()[0].len;
    fill(&mut stage, 200);
    stage.flush();
    stage.take_seen();
    fill(&mut stage, 200);
    stage.flush();
    assert!(stage.take_seen().iter().any(|batch| batch.len > taken * 9 / 10 && batch.len <= taken));
    stage.check();
}
