//! One WebSocket and one broker's TCP connection, both ways at once.
//!
//! What is kept is bounded: one request (and the message it came in), one answer, and 32 requests that wait for
//! theirs. Who does not read is not read from: each direction waits until the other end has taken what was sent.
//! A request goes on only when all of it is here and was judged, so a slow or broken client leaves no half of one behind.
use crate::frames::Frames;
use crate::gate::Gate;
use crate::metrics::{Count, Metrics};
use crate::options::{MAX_ANSWER, Options};
use crate::pace::Pace;
use crate::refusal::{Kind, Refusal};
use crate::tls::Stream;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message, error::CapacityError};

/// Bytes that are read from a broker at once.
const PIECE: usize = 16 * 1024;

pub(crate) type Socket = WebSocketStream<Stream>;

/// Whether the bridge is being stopped.
#[derive(Debug, Clone)]
pub(crate) struct Stopped(pub(crate) watch::Receiver<bool>);

impl Stopped {
    /// Whether it is.
    pub(crate) fn has_come(&self) -> bool {
        *self.0.borrow()
    }

    /// Until it is.
    pub(crate) async fn come(&mut self) {
        // A sender that is gone has stopped, too.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// What both directions see.
struct Talk<'a> {
    gate: Mutex<Gate>,
    /// A request was judged.
    asked: Notify,
    /// An answer went out.
    answered: Notify,
    /// Nothing more is asked: the connection is over with the last answer that is due.
    is_draining: AtomicBool,
    options: &'a Options,
    metrics: &'a Metrics,
    tally: &'a Tally,
}

/// What went through one connection.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: Count,
    pub(crate) bytes_up: Count,
    pub(crate) bytes_down: Count,
}

impl Talk<'_> {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_drained(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed) && self.gate().is_idle()
    }
}

/// Relays until one side ends, or the bridge is stopped and all is answered. `None`: the client has closed.
pub(crate) async fn relay(
    socket: &mut Option<Socket>,
    broker: TcpStream,
    gate: Gate,
    options: &Options,
    metrics: &Metrics,
    tally: &Tally,
    stopped: &mut Stopped,
) -> Option<Refusal> {
    let (mut to_client, mut from_client) = socket.take()?.split();
    let (mut from_broker, to_broker) = broker.into_split();
    let talk = Talk {
        gate: Mutex::new(gate),
        asked: Notify::new(),
        answered: Notify::new(),
        is_draining: AtomicBool::new(false),
        options,
        metrics,
        tally,
    };
    let end = tokio::select! {
        end = up(&talk, &mut from_client, to_broker, stopped) => end,
        end = down(&talk, &mut from_broker, &mut to_client) => end,
    };
    let mut whole = to_client.reunite(from_client).ok();
    if end.is_ok() {
        if let Some(mut socket) = whole.take() {
            // The answer to the client's farewell waits to be sent, if there was one: without it a page sees an accident.
            let farewell = async {
                let _ = socket.flush().await;
                let _ = socket.get_mut().shutdown().await;
            };
            // Who is gone need not be told.
            let _ = timeout(options.patience, farewell).await;
        }
        read_out(&mut from_broker, options.drain_timeout, stopped).await;
    }
    *socket = whole;
    end.err()
}

/// Until the broker closes, too, which has been told that nothing more comes. To close before it has answered would reset the
/// connection, and what the client sent last be lost on the way.
async fn read_out(broker: &mut OwnedReadHalf, patience: Duration, stopped: &mut Stopped) {
    let mut piece = [0; 1024];
    let rest = async { while broker.read(&mut piece).await.is_ok_and(|count| count > 0) {} };
    tokio::select! {
        _ = timeout(patience, rest) => (),
        () = stopped.come() => (),
    }
}

fn going_away() -> Refusal {
    Refusal::new(Kind::GoingAway, "the bridge is being stopped; connect again")
}

/// From the client to the broker. When the bridge is stopped it reads no more, and leaves the other direction some time.
async fn up(
    talk: &Talk<'_>,
    client: &mut SplitStream<Socket>,
    mut broker: OwnedWriteHalf,
    stopped: &mut Stopped,
) -> Result<(), Refusal> {
    let Options { idle_timeout, patience, max_frame, drain_timeout, .. } = *talk.options;
    let mut frames = Frames::new(max_frame);
    let mut pace = Pace::new(talk.options.max_requests_per_second);
    let mut complete_by = None;
    loop {
        let idle = Instant::now() + idle_timeout;
        let deadline = complete_by.map_or(idle, |by: Instant| by.min(idle));
        let message = tokio::select! {
            message = timeout_at(deadline, client.next()) => message,
            () = stopped.come() => {
                talk.is_draining.store(true, Ordering::Relaxed);
                talk.asked.notify_one();
                tokio::time::sleep(drain_timeout).await;
                return Err(going_away());
            }
        };
        let message = message.map_err(|_| {
            let what =
                if frames.is_amid() { "a request came too slowly" } else { "nothing came for too long" };
            Refusal::new(Kind::Timeout, what)
        })?;
        let bytes = match message {
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Text(_))) => {
                return Err(Refusal::new(Kind::Malformed, "a text message; Kafka's bytes go in binary ones"));
            }
            Some(Ok(Message::Close(_))) | None => return Ok(()),
            // Pings are answered below us, and pongs have done their work by coming. Many of them are slowed down, too.
            Some(Ok(_)) => {
                if let Some(turn) = pace.admit(Instant::now()) {
                    tokio::select! {
                        () = sleep_until(turn) => (),
                        () = stopped.come() => (),
                    }
                }
                continue;
            }
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size }))) => {
                let reason =
                    format!("a message of {size} bytes; at most {max_size} are allowed (--max-frame)");
                return Err(Refusal::new(Kind::TooLarge, reason));
            }
            Some(Err(Error::Protocol(error))) => {
                return Err(Refusal::new(Kind::Malformed, error.to_string()));
            }
            Some(Err(_)) => return Ok(()),
        };
        frames.feed(&bytes);
        while let Some(request) = frames.next_frame()? {
            if let Some(turn) = pace.admit(Instant::now()) {
                talk.metrics.throttled.add(1);
                tokio::select! {
                    () = sleep_until(turn) => (),
                    () = stopped.come() => (),
                }
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
                answered.await;
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
        complete_by = frames.is_amid().then(|| complete_by.unwrap_or_else(|| Instant::now() + patience));
    }
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

/// From the broker to the client.
async fn down(
    talk: &Talk<'_>,
    broker: &mut OwnedReadHalf,
    client: &mut SplitSink<Socket, Message>,
) -> Result<(), Refusal> {
    let mut frames = Frames::new(MAX_ANSWER);
    let mut piece = vec![0; PIECE];
    let mut pings = tokio::time::interval(talk.options.idle_timeout.div_f32(3.0));
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    pings.tick().await;
    loop {
        if talk.is_drained() {
            return Err(going_away());
        }
        tokio::select! {
            read = broker.read(&mut piece) => match read {
                Ok(count) if count > 0 => frames.feed(piece.get(..count).unwrap_or_default()),
                _ => return Err(Refusal::new(Kind::Unreachable, "the broker has closed the connection")),
            },
            () = talk.asked.notified() => (),
            _ = pings.tick() => send(talk, client, Message::Ping(Vec::new().into())).await?,
        }
        loop {
            let own = talk.gate().ready();
            let frame = match own {
                Some(frame) => frame,
                None => {
                    let next = frames
                        .next_frame()
                        .map_err(|refusal| Refusal::new(Kind::BrokerGarbage, refusal.reason))?;
                    let Some(answer) = next else { break };
                    talk.gate().answer(answer)?
                }
            };
            talk.metrics.bytes_down.add(frame.len());
            talk.tally.bytes_down.add(frame.len());
            send(talk, client, Message::Binary(frame.into())).await?;
            talk.answered.notify_one();
        }
    }
}

async fn send(
    talk: &Talk<'_>,
    client: &mut SplitSink<Socket, Message>,
    message: Message,
) -> Result<(), Refusal> {
    match timeout(talk.options.patience, client.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Refusal::new(Kind::Timeout, "the connection is gone")),
        Err(_) => Err(Refusal::new(Kind::Timeout, "what is sent is not taken")),
    }
}

/// Says why, and closes.
pub(crate) async fn refuse(mut socket: Socket, refusal: &Refusal) {
    let code = CloseCode::from(refusal.kind.close_code());
    let frame = CloseFrame { code, reason: refusal.reason.as_ref().into() };
    let farewell = async {
        if socket.close(Some(frame)).await.is_ok() {
            // Until the client has heard it: a socket that is dropped with unread bytes is reset, and the reason lost.
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // Who does not listen need not be told.
    let _ = timeout(Duration::from_secs(1), farewell).await;
}
