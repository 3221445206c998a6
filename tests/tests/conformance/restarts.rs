//! What the only broker of a partition remembers over a restart. Part of the script of a broker of its own, see `settings`.
use crate::produce::{Produced, refused, written};
use crate::talk::Talk;
use kurier_broker::Server;
use kurier_broker::testing::BatchBuilder;

const OUT_OF_ORDER: i64 = 45;

/// Of each producer only the newest batch, however the broker ended: its snapshot holds no more, and one is written also
/// when the log of a killed broker is read again. So OUT_OF_ORDER_SEQUENCE_NUMBER does not prove that a batch was never written.
pub fn memory(talk: &mut Talk) {
    let topic = talk.topic("restarted", 1, &[]);
    // Half an hour ahead, so that nothing expires.
    let time = Server::now_ms() + 1_800_000;
    let batch =
        |sequence| BatchBuilder::new().producer(4000, 0, sequence).timestamp(time).value(b"v").build();
    let duplicate = |offset| Produced { append_time: time, ..written(offset) };
    let mut next = 0;
    for notice in [false, true] {
        for sequence in next..next + 5 {
            assert_eq!(talk.produce(9, &topic, 0, &batch(sequence)), written(i64::from(sequence)));
        }
        talk.restart(notice);
        for sequence in next..next + 4 {
            assert_eq!(
                talk.produce(9, &topic, 0, &batch(sequence)),
                refused(OUT_OF_ORDER),
                "written and forgotten"
            );
        }
        next += 5;
        assert_eq!(
            talk.produce(9, &topic, 0, &batch(next - 1)),
            duplicate(i64::from(next) - 1),
            "the newest"
        );
        assert_eq!(talk.produce(9, &topic, 0, &batch(next + 1)), refused(OUT_OF_ORDER), "a gap");
    }
    assert_eq!(talk.produce(9, &topic, 0, &batch(next)), written(i64::from(next)));
    assert_eq!(talk.produce(9, &topic, 0, &batch(next - 1)), duplicate(i64::from(next) - 1));
}
