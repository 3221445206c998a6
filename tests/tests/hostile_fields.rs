//! Every field of every answer at its extremes: whatever a broker says, the producer neither panics nor spins, each
//! record gets exactly one outcome, and once the broker says what is right records get through again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
use kurier_broker::{Release, Settings};
use kurier_core::config::Config;
use kurier_core::error::SendError;
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_core::wire::{Item, Walker, registry};
use kurier_tests::meddler::Answer;
use kurier_tests::scene::{SERVERS, Scene};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

const APIS: [(i16, &str); 4] = [(18, "ApiVersions"), (3, "Metadata"), (22, "InitProducerId"), (0, "Produce")];
/// Passes in a second of virtual time that are a busy loop: the scene itself makes 200.
const BUSY: u64 = 3_000;

/// A token of an answer's body.
#[derive(Debug, Clone)]
struct Token {
    name: &'static str,
    at: Range<usize>,
    /// It is the length of a text or an array, or the id of a topic.
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Length,
    Id,
}

/// Where the tokens of an answer are: a walk byte by byte tells where each ends.
fn tokens(answer: &Answer) -> Vec<Token> {
    let asked = answer.asked;
    let message = registry::message(asked.api, registry::Direction::Response).unwrap();
    let body = &answer.frame[answer.head()..];
    let mut walker = Walker::new(message, asked.version, u32::try_from(body.len()).unwrap());
    let (mut tokens, mut from, mut end) = (Vec::new(), 0, 0);
    let mut length = None;
    loop {
        let mut input = &body[from..end];
        let before = input.len();
        let item = walker.next(&mut input).unwrap();
        let taken = from..from + before - input.len();
        from = taken.end;
        let (field, at, kind) = match item {
            Item::Done => return tokens,
            Item::NeedMore if end == body.len() => return tokens,
            Item::NeedMore => {
                // What is taken before a text's first piece is its length.
                length = (!taken.is_empty()).then_some(taken).or(length);
                end += 1;
                continue;
            }
            Item::Int { field, .. } => (field, taken, Kind::Number),
            Item::Uuid { field, .. } => (field, taken, Kind::Id),
            Item::Begin { field, .. } | Item::Null { field } => (field, taken, Kind::Length),
            Item::Chunk { field, first: true, chunk, .. } => {
                let at = taken.start..taken.end - chunk.len();
                (field, length.take().filter(|_| at.is_empty()).unwrap_or(at), Kind::Length)
            }
            _ => {
                length = None;
                continue;
            }
        };
        length = None;
        let name = message.field(field).map_or("", kurier_core::wire::schema::Field::name);
        tokens.push(Token { name, at, kind });
    }
}

/// What is put in a token's place.
fn extremes(token: &Token, flexible: bool) -> Vec<Vec<u8>> {
    let len = token.at.len();
    let filled = |first: u8, rest: u8| {
        let mut bytes = vec![rest; len];
        bytes[0] = first;
        bytes
    };
    let mut all = vec![filled(0x7f, 0xff), filled(0x80, 0), filled(0xff, 0xff), filled(0, 0)];
    let mut one = vec![0; len];
    one[len - 1] = 1;
    all.push(one);
    if token.kind == Kind::Length && flexible {
        all = vec![
            vec![0],
            vec![1],
            vec![2],
            vec![0xff, 0x7f],
            vec![0xff, 0xff, 0xff, 0xff, 0x07],
            vec![0xff, 0xff, 0xff, 0xff, 0x0f],
            vec![0x80; 12],
        ];
    }
    all
}

fn config() -> Config<'static> {
    Config::new(SERVERS)
        .linger_ms(0)
        .request_timeout_ms(700)
        .delivery_timeout_ms(3_000)
        .socket_connection_setup_timeout_ms(700)
        .metadata_max_age_ms(400)
}

fn scene(release: Release) -> Scene {
    Scene::at(1000, Storage::<2, 3, 6, 256>::new(), config(), Settings::release(release), 2, 2)
}

/// Tries to send; answers how many records were taken. None, when an error that a broker may end a producer with was
/// made of its answer.
fn offer(scene: &mut Scene, topic: kurier_core::record::Topic) -> u32 {
    match scene.producer.send(topic, Record::value(b"x"), scene.now) {
        Ok(_) => 1,
        Err(SendError::Full | SendError::NotReady | SendError::TopicRefused(_) | SendError::Fatal(_)) => 0,
        Err(error) => panic!("{error}"),
    }
}

/// One history in which `change` is done to each answer of `api` for three seconds. The API's first answers are let
/// through if `late`, so that there is something to be spoilt. Gives the most passes that a second took.
fn play(release: Release, api: i16, late: bool, change: impl Fn(&Answer) -> Vec<u8> + 'static) -> u64 {
    let mut scene = scene(release);
    let topic = scene.lines();
    let mut accepted = 0;
    if late {
        while scene.producer.partitions(topic).is_none() {
            scene.turn();
        }
        accepted += offer(&mut scene, topic);
        scene.run(100);
        if api == 18 || api == 22 {
            // These are answered once; so once more.
            scene.net.cut();
        }
    }
    scene.net.meddle(move |answer| {
        vec![if answer.asked.api == api { change(answer) } else { answer.frame.clone() }]
    });
    let mut most = 0;
    for _ in 0..3 {
        let before = scene.passes;
        for _ in 0..10 {
            accepted += offer(&mut scene, topic);
            scene.run(100);
        }
        most = most.max(scene.passes - before);
    }
    scene.net.meddling = None;
    // A throttle of days holds for days; a fatal answer is a defined outcome, too.
    assert!(scene.flush(10_000), "an outcome is missing: {:?}", scene.producer.stats());
    assert_eq!(scene.written + scene.lost(), accepted, "{:?}", scene.failed);
    most
}

/// The answers of an API in an ordinary history, the longest first.
fn example(release: Release, api: i16) -> Answer {
    let seen = Rc::new(RefCell::new(Vec::<Answer>::new()));
    let mut scene = scene(release);
    let keep = Rc::clone(&seen);
    scene.net.meddle(move |answer| {
        keep.borrow_mut().push(answer.clone());
        vec![answer.frame.clone()]
    });
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(2_000));
    scene.run(1_000);
    let seen = seen.borrow();
    seen.iter()
        .filter(|answer| answer.asked.api == api)
        .max_by_key(|answer| answer.frame.len())
        .unwrap()
        .clone()
}

/// Each token of an answer in turn, each extreme of it.
fn every_field(release: Release) {
    for (api, name) in APIS {
        let sample = example(release, api);
        let flexible = registry::api(api).unwrap().is_flexible(sample.asked.version);
        let tokens = tokens(&sample);
        assert!(tokens.len() > 2, "{name}: {tokens:?}");
        // Of the elements of an array one is like another.
        let mut seen = Vec::new();
        for token in &tokens {
            if seen.iter().filter(|name| **name == token.name).count() >= 2 {
                continue;
            }
            seen.push(token.name);
            let nth =
                tokens[..].iter().filter(|t| t.name == token.name && t.at.start < token.at.start).count();
            for bytes in extremes(token, flexible) {
                let (field, shown) = (token.name, bytes.clone());
                let passes = play(release, api, true, move |answer| {
                    let found = self::tokens(answer).into_iter().filter(|token| token.name == field).nth(nth);
                    let Some(found) = found else { return answer.frame.clone() };
                    let mut body = answer.frame[answer.head()..].to_vec();
                    let bytes = if bytes.len() == found.at.len() || flexible { &bytes[..] } else { &[] };
                    body.splice(found.at, bytes.iter().copied());
                    answer.with(&body).frame
                });
                assert!(
                    passes < BUSY,
                    "{passes} passes a second: {name}.{field} = {shown:02x?} with {release:?}"
                );
            }
        }
    }
}

#[test]
fn hostile_fields_of_a_broker_of_today() {
    every_field(Release::V4_3);
}

#[test]
fn hostile_fields_of_an_old_broker() {
    every_field(Release::V2_1);
}

#[test]
fn hostile_answers_that_end_early_or_late() {
    for (api, name) in APIS {
        let len = example(Release::V4_3, api).frame.len();
        for cut in (0..len).step_by(3) {
            // The frame says that it is whole, and is not.
            let shorter = play(Release::V4_3, api, cut % 2 == 0, move |answer| {
                let body = &answer.frame[answer.head()..];
                answer.with(&body[..body.len().min(cut)]).frame
            });
            // It says that more follows, and nothing does.
            let longer = play(Release::V4_3, api, cut % 2 == 0, move |answer| {
                let mut frame = answer.frame.clone();
                frame.truncate(frame.len().saturating_sub(cut));
                frame
            });
            assert!(
                shorter < BUSY && longer < BUSY,
                "{name} cut at {cut}: {shorter}, {longer} passes a second"
            );
        }
        let trailing = play(Release::V4_3, api, false, |answer| {
            let mut body = answer.frame[answer.head()..].to_vec();
            body.extend([7; 40]);
            answer.with(&body).frame
        });
        assert!(trailing < BUSY, "{name}: {trailing}");
    }
}
