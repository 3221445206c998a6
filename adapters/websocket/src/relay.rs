//! One WebSocket and one broker's TCP connection, both ways at once.
//!
//! What is kept is bounded: one request (and the message it came in), one answer, and 32 requests that wait for
//! theirs. Who does not read is not read from: each direction waits until the other end has taken what was sent.
//! A request goes on only when all of it is here and was judged, so a slow or broken client leaves no half of one behind.
mod up;

use crate::frames::Frames;
use crate::gate::Gate;
use crate::metrics::{Count, Metrics};
use crate::options::{MAX_ANSWER, Options};
use crate::progress::{Moved, Window};
use crate::refusal::{Kind, Refusal};
use crate::tls::Stream;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Notify, watch};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

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

/// How a connection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client has closed it.
    Closed,
    /// The client has gone without a farewell: its machine, its network or its process has ended.
    Vanished,
    /// By the bridge.
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl End {
    /// Its name in the log.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Closed => "client_closed",
            Self::Vanished => "client_vanished",
            Self::Refused(refusal) => refusal.kind.name(),
        }
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
    moved: Arc<Moved>,
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

/// Relays until one side ends, or the bridge is stopped and all is answered. The socket is left if there is something to say.
pub(crate) async fn relay(
    socket: &mut Option<Socket>,
    broker: TcpStream,
    gate: Gate,
    options: &Options,
    metrics: &Metrics,
    tally: &Tally,
    stopped: &mut Stopped,
) -> End {
    let Some(whole) = socket.take() else { return End::Closed };
    let moved = whole.get_ref().moved();
    let (mut to_client, mut from_client) = whole.split();
    let (mut from_broker, to_broker) = broker.into_split();
    let talk = Talk {
        gate: Mutex::new(gate),
        asked: Notify::new(),
        answered: Notify::new(),
        is_draining: AtomicBool::new(false),
        options,
        metrics,
        tally,
        moved,
    };
    let Err(end) = tokio::select! {
        end = up::up(&talk, &mut from_client, to_broker, stopped) => end,
        end = down(&talk, &mut from_broker, &mut to_client) => end,
    };
    let mut whole = to_client.reunite(from_client).ok();
    if !matches!(end, End::Refused(_)) {
        let gone = whole.take();
        if let (Some(mut socket), End::Closed) = (gone, &end) {
            // The answer to the client's farewell waits to be sent, if there was one: without it a page sees an accident.
            let farewell = async {
                let _ = socket.flush().await;
                let _ = socket.get_mut().shutdown().await;
            };
            // Who is gone need not be told.
            let _ = timeout(options.patience, farewell).await;
        }
        read_out(&mut from_broker, options.drain_timeout).await;
    }
    *socket = whole;
    end
}

/// Until the broker closes, too, which has been told that nothing more comes. To close before it has answered would reset the
/// connection, and what the client sent last be lost on the way; so a bridge that is stopped has this time as well.
async fn read_out(broker: &mut OwnedReadHalf, patience: Duration) {
    let mut piece = [0; 1024];
    let rest = async { while broker.read(&mut piece).await.is_ok_and(|count| count > 0) {} };
    // A broker that does not close has had its time.
    let _ = timeout(patience, rest).await;
}

fn going_away() -> Refusal {
    Refusal::new(Kind::GoingAway, "the bridge is being stopped; connect again")
}

/// From the broker to the client.
async fn down(
    talk: &Talk<'_>,
    broker: &mut OwnedReadHalf,
    client: &mut SplitSink<Socket, Message>,
) -> Result<Infallible, End> {
    let mut frames = Frames::new(MAX_ANSWER);
    let mut piece = vec![0; PIECE];
    let mut pings = tokio::time::interval(talk.options.idle_timeout.div_f32(3.0));
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    pings.tick().await;
    loop {
        if talk.is_drained() {
            return Err(going_away().into());
        }
        tokio::select! {
            read = broker.read(&mut piece) => match read {
                Ok(count) if count > 0 => frames.feed(piece.get(..count).unwrap_or_default()),
                _ => return Err(Refusal::new(Kind::Unreachable, "the broker has closed the connection").into()),
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

async fn send(talk: &Talk<'_>, client: &mut SplitSink<Socket, Message>, message: Message) -> Result<(), End> {
    let sent = &talk.moved.sent;
    let mut window = Window::new(talk.options.patience, talk.options.min_rate, sent.value());
    let mut sending = pin!(client.send(message));
    loop {
        match timeout_at(window.end(), &mut sending).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => return Err(End::Vanished),
            Err(_) if window.goes_on(sent.value()) => (),
            Err(_) => {
                return Err(Refusal::new(Kind::Timeout, "what is sent is not taken (--min-rate)").into());
            }
        }
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
