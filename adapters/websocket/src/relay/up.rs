//! From the client to the broker: requests that are whole, at a pace that is allowed.
//!
//! Not here: what a request may be ([`crate::gate`]), and how slow is too slow ([`Listening`]).
use super::{End, Socket, Stopped, Talk, going_away};
use crate::frames::Frames;
use crate::metrics::Count;
use crate::options::Options;
use crate::pace::Pace;
use crate::progress::Listening;
use crate::refusal::{Kind, Refusal};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::{Bytes, Message};

const NO_TEXT: &str = "a text message; Kafka's bytes go in binary ones";

/// Until one side ends. When the bridge is stopped it reads no more, and leaves the other direction some time.
pub(super) async fn up(
    talk: &Talk<'_>,
    client: &mut SplitStream<Socket>,
    mut broker: OwnedWriteHalf,
    stopped: &mut Stopped,
) -> Result<Infallible, End> {
    let Options { patience, max_frame, drain_timeout, .. } = *talk.options;
    let received = &talk.moved.received;
    let mut frames = Frames::new(max_frame);
    let mut pace = Pace::new(talk.options.max_requests_per_second);
    let mut listening = Listening::new(talk.options, received.value());
    'messages: loop {
        let heard = tokio::select! {
            heard = timeout_at(listening.end(), hear(client, &mut listening, received)) => heard,
            () = stopped.come() => {
                talk.is_draining.store(true, Ordering::Relaxed);
                talk.asked.notify_one();
                tokio::time::sleep(drain_timeout).await;
                return Err(going_away().into());
            }
        };
        let bytes = match heard {
            Ok(Heard::Message(message)) => message,
            Ok(Heard::Control(payload)) => {
                listening.has_control(payload, received.value());
                // Many of them are slowed down, too.
                turn(&mut pace, stopped).await;
                continue;
            }
            Ok(Heard::Begun) => continue,
            Ok(Heard::End(end)) => return Err(end),
            Err(_) => {
                listening.goes_on(received.value())?;
                continue;
            }
        };
        listening.has_message(bytes.len(), received.value());
        if bytes.is_empty() {
            // It asks for nothing, as a ping.
            turn(&mut pace, stopped).await;
        }
        frames.feed(&bytes);
        let mut is_complete = false;
        while let Some(request) = frames.next_frame()? {
            is_complete = true;
            if turn(&mut pace, stopped).await {
                talk.metrics.throttled.add(1);
            }
            if stopped.has_come() {
                break;
            }
            let forward = loop {
                let answered = talk.answered.notified();
                {
                    let mut gate = talk.gate();
                    if !gate.is_full() {
                        break gate.request(request)?;
                    }
                }
                tokio::select! {
                    () = answered => (),
                    () = stopped.come() => continue 'messages,
                }
            };
            talk.metrics.requests.add(1);
            talk.tally.requests.add(1);
            talk.asked.notify_one();
            if let Some(frame) = forward {
                write(&mut broker, &frame, patience).await?;
                talk.metrics.bytes_up.add(frame.len());
                talk.tally.bytes_up.add(frame.len());
            }
        }
        listening.listens_on(frames.is_amid(), is_complete);
    }
}

/// What comes of a client.
enum Heard {
    /// A message of Kafka's bytes.
    Message(Bytes),
    /// A ping or a pong, with so many bytes. Pings are answered below us, and pongs have done their work by coming.
    Control(usize),
    /// The first of a message, and no more for now: its time runs.
    Begun,
    End(End),
}

async fn hear(client: &mut SplitStream<Socket>, listening: &mut Listening, received: &Count) -> Heard {
    poll_fn(|context| match client.poll_next_unpin(context) {
        Poll::Ready(next) => Poll::Ready(heard(next)),
        Poll::Pending if listening.begins(received.value()) => Poll::Ready(Heard::Begun),
        Poll::Pending => Poll::Pending,
    })
    .await
}

fn heard(next: Option<Result<Message, Error>>) -> Heard {
    let refusal = match next {
        Some(Ok(Message::Binary(bytes))) => return Heard::Message(bytes),
        Some(Ok(Message::Ping(payload) | Message::Pong(payload))) => return Heard::Control(payload.len()),
        // The last is never read, only written.
        Some(
            Ok(Message::Close(_) | Message::Frame(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed),
        )
        | None => return Heard::End(End::Closed),
        Some(Ok(Message::Text(_)) | Err(Error::Utf8(_))) => Refusal::new(Kind::Malformed, NO_TEXT),
        Some(Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size }))) => {
            let reason = format!("a message of {size} bytes; at most {max_size} are allowed (--max-frame)");
            Refusal::new(Kind::TooLarge, reason)
        }
        Some(Err(Error::Protocol(error))) if error != ProtocolError::ResetWithoutClosingHandshake => {
            Refusal::new(Kind::Malformed, error.to_string())
        }
        // Of TLS: a connection that breaks is of another kind.
        Some(Err(Error::Io(error))) if error.kind() == io::ErrorKind::InvalidData => {
            Refusal::new(Kind::Malformed, error.to_string())
        }
        Some(Err(_)) => return Heard::End(End::Vanished),
    };
    Heard::End(refusal.into())
}

/// Counts one request, and waits for its turn. Whether it had to.
async fn turn(pace: &mut Pace, stopped: &mut Stopped) -> bool {
    let Some(turn) = pace.admit(Instant::now()) else { return false };
    tokio::select! {
        () = sleep_until(turn) => (),
        () = stopped.come() => (),
    }
    true
}

async fn write(broker: &mut OwnedWriteHalf, mut frame: &[u8], patience: Duration) -> Result<(), Refusal> {
    while !frame.is_empty() {
        // A broker under load may be slow, but not stand still: the time is for each piece.
        match timeout(patience, broker.write(frame)).await {
            Ok(Ok(count)) if count > 0 => frame = frame.get(count..).unwrap_or_default(),
            Ok(_) => return Err(Refusal::new(Kind::Unreachable, "the broker has closed the connection")),
            Err(_) => return Err(Refusal::new(Kind::Unreachable, "the broker takes nothing")),
        }
    }
    Ok(())
}
