//! A broker with settings of its own.
use crate::talk::{Answer, Talk};
use kurier_broker::codec::{Value, object};
use kurier_broker::{Settings, api};

#[test]
fn nothing_is_created_where_that_is_off_and_larger_requests_are_closed() {
    let settings =
        Settings { auto_create_topics: false, socket_request_max_bytes: 1000, ..Settings::default() };
    let own = [("auto.create.topics.enable", "false"), ("socket.request.max.bytes", "1000")];
    let mut talk = Talk::own(settings, 1, &own);
    let topics = Value::Array(vec![object([("name", "wanted".into())])]);
    let request = object([("topics", topics), ("allowAutoTopicCreation", true.into())]);
    for _ in 0..2 {
        let Answer::Body(body) = talk.ask(api::METADATA, 9, &request) else { panic!() };
        assert_eq!(body.list("topics")[0].int("errorCode"), 3);
    }
    assert_eq!(talk.model().topics().count(), 0);

    assert_eq!(talk.send_raw(&1000i32.to_be_bytes(), &[(api::API_VERSIONS, 0)]), [Answer::Silence]);
    assert_eq!(talk.send_raw(&1001i32.to_be_bytes(), &[(api::API_VERSIONS, 0)]), [Answer::Closed]);
}
