//! What a producer does passes, narrowed to what it may see.
use crate::page::{
    API_VERSIONS, INIT_PRODUCER_ID, METADATA, PRODUCE, Page, Stage, eventually, header, metadata, produce,
    request,
};
use kurier_broker::codec::{self, object};

#[test]
fn a_producers_requests_pass_in_every_version_and_are_written() {
    let stage = Stage::new(|_| ());
    let mut page = stage.page();
    let id = page.ask(METADATA, 12, &metadata(&["clicks"])).list("topics")[0].uuid("topicId");
    for version in 0..=5 {
        let body = object([("transactionalId", codec::Value::Null), ("transactionTimeoutMs", 1000.into())]);
        assert_eq!(page.ask(INIT_PRODUCER_ID, version, &body).int("errorCode"), 0, "{version}");
    }
    for version in 3..=13 {
        let answer = page.ask(PRODUCE, version, &produce("clicks", id));
        let partition = &answer.list("responses")[0].list("partitionResponses")[0];
        assert_eq!((partition.int("errorCode"), partition.int("baseOffset")), (0, i64::from(version) - 3));
    }
    assert_eq!(stage.logged("clicks"), 11);
}

#[test]
fn a_request_may_be_cut_at_every_byte() {
    let stage = Stage::new(|_| ());
    let bytes = request(PRODUCE, 9, 5, &produce("clicks", [0; 16]));
    let mut page = stage.page();
    for cut in 1..bytes.len() {
        page.send(&bytes[..cut]);
        page.send(&bytes[cut..]);
        assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 5]);
    }
    bytes.chunks(1).for_each(|byte| page.send(byte));
    assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 5]);
    assert_eq!(stage.logged("clicks"), bytes.len());
}

#[test]
fn many_requests_at_once_are_answered_in_order() {
    let stage = Stage::new(|_| ());
    let mut page = stage.page();
    // Also those that the bridge answers itself, in a version that nobody knows.
    let all: Vec<u8> = (0..300)
        .flat_map(|n| match n % 3 {
            0 => codec::frame(&header(API_VERSIONS, 99, n)),
            1 => request(API_VERSIONS, 0, n, &object([])),
            _ => request(METADATA, 9, n, &metadata(&["clicks"])),
        })
        .collect();
    page.send(&all);
    for n in 0..300_i32 {
        assert_eq!(page.answer().unwrap()[..4], n.to_be_bytes());
    }
}

#[test]
fn only_what_is_let_through_is_advertised() {
    let stage = Stage::new(|_| ());
    let mut page = stage.page();
    let client = object([("clientSoftwareName", "kurier".into()), ("clientSoftwareVersion", "1".into())]);
    for version in 0..=4 {
        let answer = page.ask(API_VERSIONS, version, &client);
        let mut keys: Vec<_> = answer.list("apiKeys").iter().map(|api| api.int("apiKey")).collect();
        keys.sort_unstable();
        assert_eq!(keys, [0, 3, 18, 22], "{version}");
    }
    page.send(&codec::frame(&header(API_VERSIONS, 5, 1)));
    let answer = page.answer().unwrap();
    assert_eq!(answer, [0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
}

#[test]
fn a_page_sees_allowed_topics_and_makes_none() {
    let stage = Stage::new(|_| ());
    let mut page = stage.page();
    for version in 4..=13 {
        let answer = page.ask(METADATA, version, &metadata(&["clicks", "secret", "clicks-new", "other"]));
        let mut topics: Vec<_> =
            answer.list("topics").iter().map(|topic| (topic.text("name"), topic.int("errorCode"))).collect();
        topics.sort_unstable();
        assert_eq!(topics, [("clicks", 0), ("clicks-new", 3), ("other", 29), ("secret", 29)], "{version}");
        let all = page.ask(METADATA, version, &object([("topics", codec::Value::Null)]));
        let names: Vec<_> = all.list("topics").iter().map(|topic| topic.text("name")).collect();
        assert_eq!(names, ["clicks"], "all there are");
    }
    assert_eq!(stage.broker.with(|cluster| cluster.topics().count()), 2, "none was made");
    let creating = Stage::new(|options| options.allow_auto_create = true);
    let _made = creating.page().ask(METADATA, 9, &metadata(&["clicks-new", "other"]));
    eventually("it is made", || {
        creating.broker.with(|cluster| cluster.topics().any(|name| name == "clicks-new"))
    });
    assert_eq!(creating.broker.with(|cluster| cluster.topics().count()), 3);
}

#[test]
fn a_broker_that_metadata_names_can_be_reached_even_by_who_never_asked_here() {
    let stage = Stage::with_brokers(3, |_| ());
    let third = stage.broker.addresses()[2];
    let path = format!("/{}/{}", third.ip(), third.port());
    let mut page = Page::open(&stage.bridge, &path, &[]).unwrap();
    assert_eq!(page.ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0);
}

#[test]
fn a_broker_that_goes_is_told_and_so_is_a_bridge_that_stops() {
    let Stage { bridge, broker, .. } = Stage::new(|_| ());
    let address = broker.addresses()[0];
    let path = format!("/{}/{}", address.ip(), address.port());
    let mut page = Page::open(&bridge, &path, &[]).unwrap();
    page.ask(API_VERSIONS, 0, &object([]));
    drop(broker);
    assert_eq!(page.refusal(), 4503);
    let mut late = Page::open(&bridge, &path, &[]).unwrap();
    assert_eq!(late.refusal(), 4503, "it cannot be reached");
    let other = Stage::new(|_| ());
    let mut page = other.page();
    page.ask(API_VERSIONS, 0, &object([]));
    let Stage { bridge, broker: _broker, .. } = other;
    let ends = std::thread::spawn(move || drop(bridge));
    assert_eq!(page.refusal(), 1001);
    drop(page);
    ends.join().unwrap();
}

#[test]
fn a_topics_id_that_a_new_bridge_does_not_know_is_learned_with_the_next_metadata() {
    let stage = Stage::new(|_| ());
    let id = stage.broker.with(|cluster| cluster.topic_id("clicks")).unwrap();
    let mut page = stage.page();
    let mut error = || {
        let answer = page.ask(PRODUCE, 13, &produce("", id));
        answer.list("responses")[0].list("partitionResponses")[0].int("errorCode")
    };
    assert_eq!(error(), 100, "UNKNOWN_TOPIC_ID, after which a client asks for metadata");
    let _told = stage.page().ask(METADATA, 12, &metadata(&["clicks"]));
    assert_eq!(error(), 0);
    assert_eq!(stage.logged("clicks"), 1);
}
