//! Messages and whole frames against bytes made by Kafka's own classes: tables, walker and codec.
#![allow(clippy::unwrap_used, clippy::panic)]
use kurier_broker::codec::{self, Direction, Value};
use kurier_core::random::Random;
use kurier_core::wire::{Damage, Item, Walker, registry};
use kurier_tests::messages::{Line, messages, sorted, tags, unknown, walk};
use kurier_tests::vectors::{hex, int};

/// Pieces in which a stream may arrive.
fn splits() -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = [1, 2, 3, 7, usize::MAX].map(|size| vec![size]).into();
    let mut random = Random::new(1);
    for most in [5, 23, 200] {
        all.push((0..97).map(|_| random.within(1, most) as usize).collect());
    }
    all
}

fn walker(line: &Line, len: usize) -> Walker {
    Walker::new(line.message, line.version, len as u32)
}

fn is_request(line: &Line) -> bool {
    line.json["direction"] == "request"
}

#[test]
fn vectors_messages_are_written_as_kafka_writes_them() {
    for line in messages("messages") {
        let (value, unknown) = (line.value(&line.json["json"]), unknown(&line.json["unknownTags"]));
        let written = codec::encode_all(line.message, line.version, &value, &unknown);
        assert_eq!(written.map(|body| hex(&body)), Ok(hex(&line.bytes("body"))), "{}", line.id());
    }
}

#[test]
fn vectors_messages_are_read_the_same_in_any_pieces() {
    for line in messages("messages") {
        let body = line.bytes("body");
        let value = sorted(line.value(&line.json["json"]));
        for sizes in splits() {
            let walked = walk(walker(&line, body.len()).verbose(), line.message, &body, &sizes)
                .unwrap_or_else(|damage| panic!("{} in {sizes:?}: {damage}", line.id()));
            assert!(walked.done, "{}", line.id());
            assert_eq!(walked.decoded.value, value, "{}", line.id());
            assert_eq!(walked.decoded.unknown, unknown(&line.json["unknownTags"]), "{}", line.id());
            assert_eq!(walked.decoded.unread, 0, "{}", line.id());
            let plain = walk(walker(&line, body.len()), line.message, &body, &sizes).unwrap();
            assert_eq!(plain.decoded.value, value, "{}", line.id());
        }
    }
}

#[test]
fn vectors_whole_request_frames_go_both_ways() {
    for line in messages("messages").into_iter().filter(is_request) {
        let (payload, header) = (line.payload(), &line.json["header"]);
        let (found, body) = codec::request_header(&payload).unwrap();
        assert_eq!(i64::from(found.key), int(&header["requestApiKey"]), "{}", line.id());
        assert_eq!(i64::from(found.version), int(&header["requestApiVersion"]), "{}", line.id());
        assert_eq!(i64::from(found.correlation), int(&header["correlationId"]), "{}", line.id());
        assert_eq!(found.client_id.as_deref(), header["clientId"].as_str(), "{}", line.id());
        assert_eq!(found.tags, tags(&header["unknownTags"]), "{}", line.id());
        assert_eq!(body, line.bytes("body"), "{}", line.id());
        let value = codec::decode(found.key, found.version, Direction::Request, body).unwrap();
        assert_eq!(sorted(value), sorted(line.value(&line.json["json"])), "{}", line.id());
    }
}

#[test]
fn vectors_whole_response_frames_go_both_ways() {
    for line in messages("messages").into_iter().filter(|line| !is_request(line)) {
        let (payload, header) = (line.payload(), &line.json["header"]);
        let correlation = int(&header["correlationId"]) as i32;
        let header_tags = tags(&header["unknownTags"]);
        assert_eq!(i64::from(line.message.api.response_header(line.version)), int(&header["version"]));

        let mut written = codec::response_header(&line.message.api, line.version, correlation, &header_tags);
        written.extend_from_slice(&line.bytes("body"));
        assert_eq!(hex(&codec::frame(&written)), hex(&line.bytes("frame")), "{}", line.id());

        // As a link reads it: the correlation id first, the rest by the walker.
        let (first, rest) = payload.split_first_chunk::<4>().unwrap();
        assert_eq!(i32::from_be_bytes(*first), correlation, "{}", line.id());
        for sizes in splits() {
            let walker = Walker::response(line.message, line.version, rest.len() as u32);
            let walked = walk(walker.verbose(), line.message, rest, &sizes).unwrap();
            assert!(walked.done, "{}", line.id());
            assert_eq!(walked.header_tags, header_tags, "{}", line.id());
            assert_eq!(walked.decoded.value, sorted(line.value(&line.json["json"])), "{}", line.id());
            assert_eq!(walked.decoded.unknown, unknown(&line.json["unknownTags"]), "{}", line.id());
        }
    }
}

#[test]
fn vectors_what_follows_a_frame_is_not_touched() {
    for line in messages("messages") {
        let body = line.bytes("body");
        for trailing in [0, 1, 9] {
            let mut stream = body.clone();
            stream.extend(std::iter::repeat_n(0xa5, trailing));
            let mut walker = walker(&line, stream.len());
            stream.extend_from_slice(b"next frame");
            let mut input = &stream[..];
            while walker.next(&mut input).unwrap() != Item::Done {}
            assert_eq!(input, b"next frame", "{}", line.id());
        }
    }
}

#[test]
fn vectors_a_strict_prefix_is_damage_and_its_stream_waits() {
    for line in messages("messages") {
        let body = line.bytes("body");
        if body.len() >= 2000 {
            continue;
        }
        for len in 0..body.len() {
            let (prefix, whole) = (&body[..len], [usize::MAX]);
            let cut = walk(walker(&line, len), line.message, prefix, &whole);
            assert!(cut.is_err(), "{} cut to {len}: {cut:?}", line.id());
            let waits = walk(walker(&line, body.len()), line.message, prefix, &whole).unwrap();
            assert!(!waits.done, "{} with {len} arrived", line.id());
        }
    }
}

#[test]
fn vectors_cover_every_version_of_what_clients_of_the_project_send() {
    let all = messages("messages");
    for (key, versions) in [(0, 3..=13), (3, 4..=13), (18, 0..=4), (22, 0..=5), (17, 0..=1), (36, 0..=2)] {
        let api = registry::api(key).unwrap();
        assert_eq!((api.oldest, api.newest), (*versions.start(), *versions.end()));
        for version in versions {
            let of = |line: &&Line| line.message.api.key == key && line.version == version;
            let (requests, responses): (Vec<_>, Vec<_>) =
                all.iter().filter(of).partition(|line| is_request(line));
            assert!(!requests.is_empty() && !responses.is_empty(), "key {key} version {version}");
        }
    }
}

/// The verdict of Kafka's client on a damaged response: of the message class, or for ApiVersions of the entry
/// point that reads again as version 0 whatever could not be read.
fn verdict(line: &Line) -> (&serde_json::Value, bool) {
    match line.json.get("client") {
        Some(client) if client["fallback"] == true => (client, true),
        _ => (&line.json["java"], false),
    }
}

#[test]
fn vectors_malformed_responses_get_kafkas_verdict() {
    let (mut accepted, mut refused, mut excepted) = (0, 0, 0);
    for line in messages("malformed") {
        let (kafka, fallback) = verdict(&line);
        let payload = line.payload();
        let mine = payload.split_first_chunk::<4>().ok_or(Damage::Truncated).and_then(|(_, rest)| {
            let of = |sizes: &[usize], verbose: bool| {
                let walker = Walker::response(line.message, line.version, rest.len() as u32);
                walk(if verbose { walker.verbose() } else { walker }, line.message, rest, sizes)
            };
            let whole = of(&[usize::MAX], true);
            for sizes in splits() {
                assert_eq!(of(&sizes, true), whole, "{} in {sizes:?}", line.id());
                assert_eq!(of(&sizes, false).is_ok(), whole.is_ok(), "{}", line.id());
            }
            whole
        });
        // A stream cannot be read again from its beginning: only an answer of error 35 goes on as version 0.
        // Kafka's client would take these too; here the link is closed and the next one asks for version 0.
        if fallback && kafka["json"]["errorCode"] != 35 {
            assert!(mine.is_err(), "{}", line.id());
            excepted += 1;
            continue;
        }
        match (mine, kafka["verdict"] == "accept") {
            (Ok(walked), true) => {
                accepted += 1;
                assert!(walked.done, "{}", line.id());
                if kafka["lossy"] == true {
                    continue;
                }
                // Kafka's JSON leaves out a tagged field that came with its default value; so does the encoder.
                let version = if fallback { 0 } else { line.version };
                let again = |value: &Value| codec::encode_all(line.message, version, value, &[]).unwrap();
                let expected = line.value(&kafka["json"]);
                assert_eq!(again(&walked.decoded.value), again(&expected), "{}", line.id());
                if !fallback {
                    assert_eq!(walked.decoded.unread as i64, int(&kafka["unread"]), "{}", line.id());
                    assert_eq!(walked.decoded.unknown, unknown(&kafka["unknownTags"]), "{}", line.id());
                    let correlation = payload.first_chunk::<4>().map(|it| i32::from_be_bytes(*it)).unwrap();
                    assert_eq!(i64::from(correlation), int(&kafka["correlationId"]), "{}", line.id());
                }
            }
            (Err(_), false) => refused += 1,
            (mine, _) => panic!("{}: {mine:?}, Kafka: {kafka}", line.id()),
        }
    }
    println!(
        "{accepted} accepted, {refused} refused, {excepted} refused that Kafka reads again as version 0"
    );
    assert!(accepted > 0 && refused > 0);
}
