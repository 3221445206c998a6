//! A broker with settings of its own.
use crate::talk::{Answer, Talk, refused, written};
use kurier_broker::codec::{Value, object};
use kurier_broker::testing::BatchBuilder;
use kurier_broker::{Server, Settings, api};

#[test]
fn creation_on_demand_the_size_of_requests_and_the_memory_of_producers() {
    let settings = Settings {
        auto_create_topics: false,
        socket_request_max_bytes: 1000,
        producer_id_expiration_ms: 3000,
        producer_id_expiration_check_interval_ms: 500,
        ..Settings::default()
    };
    let own = [
        ("auto.create.topics.enable", "false"),
        ("socket.request.max.bytes", "1000"),
        ("producer.id.expiration.ms", "3000"),
        ("producer.id.expiration.check.interval.ms", "500"),
    ];
    let mut talk = Talk::own(settings, 1, &own);
    let topics = Value::Array(vec![object([("name", "wanted".into())])]);
    let request = object([("topics", topics), ("allowAutoTopicCreation", true.into())]);
    for _ in 0..2 {
        let Answer::Body(body) = talk.ask(api::METADATA, 9, &request) else { panic!() };
        assert_eq!(body.list("topics")[0].int("errorCode"), 3);
    }
    assert_eq!(talk.model().topics().count(), 0);

    // A producer is forgotten by the time of its records: at once, if they are old.
    let topic = talk.topic("expiry", 1, &[]);
    let batch =
        |sequence, at| BatchBuilder::new().producer(4000, 0, sequence).timestamp(at).value(b"v").build();
    assert_eq!(talk.produce(9, &topic, 0, &batch(0, Server::now_ms())), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &batch(7, Server::now_ms())), refused(45));
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(talk.produce(9, &topic, 0, &batch(7, 1)), written(1), "forgotten, so any sequence will do");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(talk.produce(9, &topic, 0, &batch(3, 1)), written(2), "forgotten again");

    assert_eq!(talk.send_raw(&1000i32.to_be_bytes(), &[(api::API_VERSIONS, 0)]), [Answer::Silence]);
    assert_eq!(talk.send_raw(&1001i32.to_be_bytes(), &[(api::API_VERSIONS, 0)]), [Answer::Closed]);
}
