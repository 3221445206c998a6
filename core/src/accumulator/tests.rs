//! The rules of appending and readiness, on a storage of a few small buffers.
use super::{Accumulator, Head, Memory, Node, Queue, Refused, Settings, TopicView};
use crate::error::SendError;
use crate::host::{Buf, Buffer};
use crate::record::{Record, Topic};
use crate::storage::Fixed;
use crate::time::{Instant, Millis, Timestamp};
use std::boxed::Box;
use std::vec::Vec;

type Batch = &'static mut Buffer;

const TOPIC: Topic = Topic(0);
const SETTINGS: Settings = Settings {
    batch_size: 256,
    linger_ms: 5,
    max_request_size: 2000,
    delivery_timeout_ms: 1000,
    ignore_keys: false,
    adaptive: true,
};

/// `buffers` buffers of 256 bytes, a topic of 3 partitions of which the last has no leader.
fn accumulator(settings: Settings, buffers: usize) -> Accumulator<Fixed> {
    let free = Box::leak(Box::new(heapless::Vec::<Batch, 8>::new()));
    for _ in 0..buffers {
        let buffer: Batch = Box::leak(Box::new(Buffer::new(std::vec![0; 256].leak())));
        assert!(free.push(buffer).is_ok());
    }
    let memory = Memory {
        buffers: free.as_mut_view(),
        topics: Box::leak(Box::new(heapless::Vec::<TopicView, 2>::new())).as_mut_view(),
        queues: Box::leak(Box::new(heapless::Vec::<Queue<Batch>, 4>::new())).as_mut_view(),
        nodes: Box::leak(Box::new(heapless::Vec::<Node<Batch>, 8>::new())).as_mut_view(),
    };
    let mut append = Accumulator::new(settings, memory, 1);
    assert!(append.publish_topic(TOPIC, 3, 0, 0));
    for partition in 0..3 {
        assert!(append.assign(partition, 0, i32::from(partition), partition < 2));
    }
    append
}

fn append(to: &mut Accumulator<Fixed>, record: Record<'_>, ms: u64) -> Result<super::Appended, Refused> {
    to.append(TOPIC, &record, Timestamp(7), Instant::from_millis(ms), &mut None)
}

const VALUE: Record<'static> = Record::value(&[7; 50]).partition(0);

#[test]
fn a_batch_lingers_unless_it_is_full_or_another_waits_behind_it() {
    let mut a = accumulator(SETTINGS, 4);
    assert_eq!(a.head(0, Millis(0)), Head::Empty);
    assert!(append(&mut a, VALUE, 10).unwrap().wake);
    assert_eq!(a.head(0, Millis(10)), Head::Lingers(Millis(15)));
    assert_eq!(a.head(0, Millis(15)), Head::Ready);
    // 61 + 3 * 58 bytes are in; a fourth record opens another batch.
    assert!(!append(&mut a, VALUE, 11).unwrap().wake);
    assert!(!append(&mut a, VALUE, 11).unwrap().wake);
    assert_eq!(a.head(0, Millis(11)), Head::Lingers(Millis(15)));
    assert!(append(&mut a, VALUE, 11).unwrap().wake);
    assert_eq!(a.head(0, Millis(11)), Head::Ready);
    assert_eq!(a.take(0).unwrap().meta().builder.count, 3);
    assert_eq!(a.head(0, Millis(11)), Head::Lingers(Millis(16)));
}

#[test]
fn exhaustion_is_a_value_and_makes_open_batches_sendable() {
    let mut a = accumulator(SETTINGS, 1);
    for _ in 0..3 {
        append(&mut a, VALUE, 0).unwrap();
    }
    let refused = append(&mut a, VALUE.partition(1), 0).unwrap_err();
    assert!(matches!(refused, Refused::NeedsBuffer { standard: 256, .. }), "{refused:?}");
    assert_eq!(SendError::from(refused), SendError::Full);
    assert_eq!(a.head(0, Millis(0)), Head::Ready);
    let batch = a.take(0).unwrap();
    a.drained();
    assert!(a.give(batch).is_ok());
    assert!(append(&mut a, VALUE.partition(1), 0).is_ok());
    assert_eq!(a.head(1, Millis(0)), Head::Lingers(Millis(5)));
}

#[test]
fn a_record_larger_than_a_batch_takes_the_callers_buffer() {
    let mut a = accumulator(SETTINGS, 1);
    let record = Record::value(&[1; 600]).partition(0);
    let refused = append(&mut a, record, 0).unwrap_err();
    let Refused::NeedsBuffer { at_least, standard } = refused else { panic!("{refused:?}") };
    assert_eq!(at_least, standard);
    let mut spare: Option<Batch> = Some(Box::leak(Box::new(Buffer::new(std::vec![0; 700].leak()))));
    let appended = a.append(TOPIC, &record, Timestamp(7), Instant(0), &mut spare).unwrap();
    assert!(appended.wake && spare.is_none());
    assert_eq!(a.take(0).unwrap().meta().builder.len, at_least);
    // One byte over `max.request.size`, as Kafka estimates it.
    let most = 2000 - 61 - 21 - 1 - 2 - 1;
    let value = std::vec![0; most + 1];
    let too_large = append(&mut a, Record::value(&value).partition(0), 0).unwrap_err();
    assert_eq!(too_large, Refused::Send(SendError::RecordTooLarge { size: 2001, max: 2000 }));
}

#[test]
fn a_batch_size_of_zero_is_one_record_per_batch() {
    let mut a = accumulator(Settings { batch_size: 0, ..SETTINGS }, 4);
    for _ in 0..3 {
        assert!(append(&mut a, VALUE, 0).unwrap().wake);
    }
    for _ in 0..3 {
        assert_eq!(a.take(0).unwrap().meta().builder.count, 1);
    }
    assert!(a.take(0).is_none());
}

#[test]
fn what_cannot_be_sent_is_refused_and_loses_nothing() {
    let mut a = accumulator(SETTINGS, 4);
    let of = |record: Record<'static>, a: &mut Accumulator<Fixed>| append(a, record, 0).unwrap_err();
    let negative = of(VALUE.partition(-2), &mut a);
    assert_eq!(negative, Refused::Send(SendError::InvalidPartition { partition: -2, count: 3 }));
    assert_eq!(of(VALUE.partition(3), &mut a), Refused::NeedsMetadata);
    let unknown = a.append(Topic(9), &VALUE, Timestamp(0), Instant(0), &mut None).unwrap_err();
    assert_eq!(unknown, Refused::Send(SendError::UnknownTopic));
    append(&mut a, VALUE, 0).unwrap();
    a.close();
    assert_eq!(of(VALUE, &mut a), Refused::Send(SendError::Closed));
    assert_eq!(a.head(0, Millis(0)), Head::Ready);
    assert_eq!(a.take(0).unwrap().meta().builder.count, 1);
}

#[test]
fn flush_covers_what_came_before_it_and_nothing_else() {
    let mut a = accumulator(SETTINGS, 4);
    append(&mut a, VALUE, 0).unwrap();
    a.flush();
    let mark = a.next_serial();
    append(&mut a, VALUE, 0).unwrap();
    assert!(a.holds_before(mark));
    a.take(0).unwrap();
    assert!(!a.holds_before(mark));
    assert_eq!(a.head(0, Millis(1)), Head::Lingers(Millis(5)));
}

#[test]
fn expired_batches_come_out_oldest_first() {
    let mut a = accumulator(SETTINGS, 4);
    append(&mut a, VALUE, 0).unwrap();
    append(&mut a, VALUE.partition(1), 100).unwrap();
    assert_eq!(a.next_expiry(), Some(Millis(1000)));
    assert!(a.take_expired(Millis(999)).is_none());
    assert_eq!(a.take_expired(Millis(1000)).unwrap().meta().partition, 0);
    assert!(a.take_expired(Millis(1000)).is_none());
    assert_eq!(a.batches(), 1);
}

#[test]
fn records_without_a_key_stay_together_and_avoid_a_partition_without_a_leader() {
    let mut a = accumulator(SETTINGS, 8);
    let mut slots = std::vec::Vec::new();
    for _ in 0..18 {
        slots.push(append(&mut a, Record::value(&[7; 50]), 0).unwrap().slot);
    }
    assert!(slots.chunks(3).all(|batch| batch.iter().all(|slot| *slot == batch[0])), "{slots:?}");
    assert!(slots.iter().all(|slot| *slot < 2), "{slots:?}");
}

#[test]
fn a_slot_that_holds_a_batch_keeps_its_partition() {
    let mut a = accumulator(SETTINGS, 4);
    append(&mut a, VALUE, 0).unwrap();
    assert!(!a.assign(0, 0, 9, true));
    a.take(0).unwrap();
    assert!(a.assign(0, 0, 9, true));
    assert_eq!(a.slot(0, 9), Some(0));
    assert_eq!(append(&mut a, VALUE, 0).unwrap_err(), Refused::NeedsSlot { partition: 0 });
}

#[test]
fn sealing_what_is_not_open_loses_no_place_and_so_no_batch() {
    let mut a = accumulator(SETTINGS, 4);
    for _ in 0..10 {
        a.flush();
    }
    for _ in 0..4 {
        // Three to a batch.
        for _ in 0..3 {
            append(&mut a, VALUE, 1).unwrap();
        }
    }
    a.flush();
    let counts: Vec<u32> = core::iter::from_fn(|| a.take(0)).map(|b| b.meta().builder.count).collect();
    assert_eq!(counts, [3, 3, 3, 3]);
}
