//! What the log says: each connection in one line of `name=value`, and nothing that a client has chosen.
use crate::page::{
    INIT_PRODUCER_ID, METADATA, PATIENCE, PRODUCE, Page, Stage, eventually, metadata, request,
};
use kurier_broker::codec::object;
use kurier_broker::testing::BatchBuilder;
use std::sync::{Mutex, Once};

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Notes;

impl log::Log for Notes {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("kurier")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            SAID.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// All that is said from now on, of every test of this process.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Notes).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

fn has(words: &str) -> bool {
    SAID.lock().unwrap().iter().any(|line| line.contains(words))
}

#[test]
fn a_connection_is_a_line_without_anything_of_its_clients() {
    listen();
    const TOKEN: &str = "token-that-no-log-has";
    let stage = Stage::new(|options| {
        options.origins = vec!["https://origin-in-no-log.example".into()];
        options.token = Some(TOKEN.into());
    });
    let protocol = format!("kurier, kurier.token.{TOKEN}");
    let headers = [("Origin", "https://origin-in-no-log.example"), ("Sec-WebSocket-Protocol", &protocol)];
    let mut page = Page::open(&stage.bridge, &stage.path(), &headers).unwrap();
    for _ in 0..36 {
        page.ask(METADATA, 9, &metadata(&["clicks-named-in-no-log", "topic-in-no-log"]));
    }
    let batch = BatchBuilder::new().value(b"record-in-no-log").build();
    let partition = object([("index", 0.into()), ("records", batch.into())]);
    let topic = object([("name", "clicks".into()), ("partitionData", vec![partition].into())]);
    let body = object([("acks", (-1).into()), ("timeoutMs", 1.into()), ("topicData", vec![topic].into())]);
    page.ask(PRODUCE, 9, &body);
    assert_eq!(stage.logged("clicks"), 1);
    page.0.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
    page.0.close(None).unwrap();
    while page.0.read().is_ok() {}
    eventually("its line", || {
        has("connection client=127.0.0.1 end=client_closed requests=37 request_bytes=")
    });
    let mut page = Page::open(&stage.bridge, &stage.path(), &headers).unwrap();
    let begin = object([("transactionalId", "id-in-no-log\n".into()), ("transactionTimeoutMs", 1.into())]);
    page.send(&request(INIT_PRODUCER_ID, 4, 1, &begin));
    page.refusal();
    let mut page = Page::open(&stage.bridge, "/host-in-no-log/1", &headers).unwrap();
    page.refusal();
    eventually("its line", || has("end=unknown_broker requests=0 "));
    assert!(has("end=forbidden requests=0 "));
    for never in ["no-log", TOKEN, "\n"] {
        assert!(!has(never), "{never:?}");
    }
}
