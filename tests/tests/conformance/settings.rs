//! A broker of its own, with settings of its own and an authorizer: everything that needs one is one script, for a broker
//! takes longer to start than the script takes.
use crate::produce::{refused, written};
use crate::talk::{Answer, Talk};
use crate::{access, restarts};
use kurier_broker::codec::{Value, object};
use kurier_broker::testing::BatchBuilder;
use kurier_broker::{Server, Settings, TopicConfig, api};

#[test]
fn a_broker_with_other_settings_and_an_authorizer() {
    let settings = Settings {
        auto_create_topics: false,
        socket_request_max_bytes: 1000,
        producer_id_expiration_ms: 3000,
        producer_id_expiration_check_interval_ms: 500,
        topic_defaults: TopicConfig { max_message_bytes: 500, ..TopicConfig::default() },
        ..Settings::default()
    };
    let own = [
        ("message.max.bytes", "500"),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("allow.everyone.if.no.acl.found", "true"),
        ("auto.create.topics.enable", "false"),
        ("socket.request.max.bytes", "1000"),
        ("producer.id.expiration.ms", "3000"),
        ("producer.id.expiration.check.interval.ms", "500"),
    ];
    let mut talk = Talk::own(settings, 1, &own);
    creation_on_demand(&mut talk);
    sizes(&mut talk);
    memory_of_producers(&mut talk);
    access::writing(&mut talk);
    access::seeing(&mut talk);
    restarts::memory(&mut talk);
}

fn creation_on_demand(talk: &mut Talk) {
    let topics = Value::Array(vec![object([("name", "wanted".into())])]);
    let request = object([("topics", topics), ("allowAutoTopicCreation", true.into())]);
    for _ in 0..2 {
        let Answer::Body(body) = talk.ask(api::METADATA, 9, &request) else { panic!() };
        assert_eq!(body.list("topics")[0].int("errorCode"), 3);
    }
    assert_eq!(talk.model().topics().count(), 0);
}

/// Of requests and of batches.
fn sizes(talk: &mut Talk) {
    assert_eq!(talk.send_raw(&1000i32.to_be_bytes(), &[(api::API_VERSIONS, 0)]), [Answer::Silence]);
    assert_eq!(talk.send_raw(&1001i32.to_be_bytes(), &[(api::API_VERSIONS, 0)]), [Answer::Closed]);
    let (default, own) =
        (talk.topic("default-size", 1, &[]), talk.topic("own-size", 1, &[("max.message.bytes", "600")]));
    let of = |size: usize| BatchBuilder::new().value(&vec![b'x'; size - 61 - 9]).build();
    assert_eq!((of(500).len(), of(501).len()), (500, 501));
    assert_eq!(talk.produce(9, &default, 0, &of(500)), written(0));
    assert_eq!(talk.produce(9, &default, 0, &of(501)), refused(10));
    assert_eq!(talk.produce(9, &own, 0, &of(600)), written(0));
    assert_eq!(talk.produce(9, &own, 0, &of(601)), refused(10));
}

/// A producer is forgotten by the time of its records: at once, if they are old. Then it is as if it were new: nothing says
/// UNKNOWN_PRODUCER_ID.
fn memory_of_producers(talk: &mut Talk) {
    let topic = talk.topic("expiry", 1, &[]);
    let batch = |epoch, sequence, at| {
        BatchBuilder::new().producer(4000, epoch, sequence).timestamp(at).value(b"v").build()
    };
    let now = Server::now_ms();
    assert_eq!(talk.produce(9, &topic, 0, &batch(2, 0, now)), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &batch(2, 7, now)), refused(45));
    talk.wait(4);
    assert_eq!(
        talk.produce(9, &topic, 0, &batch(2, 0, 1)),
        written(1),
        "the same again is no duplicate any more"
    );
    talk.wait(2);
    assert_eq!(talk.produce(9, &topic, 0, &batch(2, 7, 1)), written(2), "any sequence will do");
    talk.wait(2);
    assert_eq!(talk.produce(9, &topic, 0, &batch(1, 3, 1)), written(3), "and any epoch");
    talk.wait(2);
    let later = [batch(1, 4, now), batch(1, 9, now), batch(1, 5, now)];
    let answers = talk.produce_at_once(&topic, 0, &later);
    assert_eq!(answers, [written(4), refused(45), written(5)], "the first it sees counts");
}
