//! `kurier bridge`: the WebSocket bridge, until it is interrupted.
use crate::args;
use crate::exit::{Error, Status};
use crate::{setup, signals, talk};
use kurier_bridge::{Options, Server, StartError, TlsFiles, Topics};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::mpsc;
use std::time::Duration;

/// Open files that are no connections, and those of clients that are turned away.
const OTHER_FILES: u64 = 128;

/// What the run waits for.
enum Event {
    /// It is to end.
    End(signals::End),
    /// It has ended in good order.
    Drained,
    /// The certificate is to be read anew.
    Hangup,
}

/// Runs it.
///
/// # Errors
/// The options make no bridge, or the address cannot be listened on.
pub(crate) fn run(args: &args::Bridge) -> Result<Status, Error> {
    talk::begin(args.talk);
    let (told, events) = mpsc::channel();
    let unwatched = |error| Error::failed(format!("cannot watch signals: {error}"));
    // Below, nobody listens any more to what is sent: the run is over.
    let (ended, hung_up) = (told.clone(), told.clone());
    signals::watch_ends(move |end| drop(told.send(Event::End(end)))).map_err(unwatched)?;
    make_room(args.max_connections);
    if let Some(address) = args.metrics.filter(|address| !address.ip().is_loopback()) {
        log::warn!("--metrics {address} can be read from other machines, without a token");
    }
    let server = Server::start(options(args)?).map_err(|error| match (error, args.metrics) {
        (StartError::Io(error), _) => Error::usage(format!("--listen {}: {error}", args.listen)),
        (StartError::Metrics(error), Some(address)) => Error::usage(format!("--metrics {address}: {error}")),
        (error, _) => Error::usage(error),
    })?;
    let scheme = if args.tls_cert.is_some() { "wss" } else { "ws" };
    if args.tls_cert.is_some() {
        signals::watch_hangups(move || drop(hung_up.send(Event::Hangup))).map_err(unwatched)?;
    }
    setup::print(&format!("listening on {scheme}://{}\n", server.address()))?;
    if let Some(address) = server.metrics_address() {
        setup::print(&format!("metrics on http://{address}/metrics\n"))?;
    }
    let asked = loop {
        match events.recv() {
            Ok(Event::Hangup) => match server.reload_certificate() {
                Ok(()) => log::info!("the certificate was read anew"),
                Err(error) => log::error!("{error}; the certificate stays as it was"),
            },
            Ok(Event::End(end)) => break end,
            Ok(Event::Drained) | Err(_) => break signals::End::Interrupt,
        }
    };
    // In good order, unless a second interrupt comes first. A thread that cannot be had drops the server all the same.
    let ending = std::thread::Builder::new().spawn(move || {
        drop(server);
        let _drained = ended.send(Event::Drained);
    });
    let is_drained = ending.is_err()
        || loop {
            match events.recv() {
                Ok(Event::Hangup) => (),
                event => break matches!(event, Ok(Event::Drained)),
            }
        };
    // Who manages services takes every other status for a failure.
    let is_told = is_drained && asked == signals::End::Terminate;
    Ok(if is_told { Status::Written } else { Status::Interrupted })
}

/// Lets the process have the files that so many connections take, each one to a client and one to a broker: many systems
/// begin with 1024. Says so if it may not have them.
fn make_room(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current, ..limit }).is_ok();
    if !is_raised || current < Some(wanted) {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
        let enough = files.saturating_sub(OTHER_FILES) / 2;
        log::warn!(
            "the system allows {files} open files, enough for {enough} of --max-connections {connections}; raise it with `ulimit -Hn`"
        );
    }
}

fn options(args: &args::Bridge) -> Result<Options, Error> {
    let mut topics = Topics::new();
    for pattern in &args.allow_topic {
        topics.allow(pattern).map_err(|error| Error::usage(format!("--allow-topic {pattern}: {error}")))?;
    }
    let token = args.token_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::usage(format!("--token-file {}: {error}", path.display())))?;
        Ok(text.trim().to_owned())
    });
    Ok(Options {
        listen: args.listen,
        bootstrap: args.bootstrap.clone(),
        allow_broker: args.allow_broker.clone(),
        topics,
        allow_auto_create: args.allow_auto_create,
        origins: args.allow_origin.clone(),
        token: token.transpose()?,
        tls: args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| TlsFiles { cert, key }),
        insecure: args.insecure,
        max_connections: args.max_connections,
        max_connections_per_client: args.max_connections_per_client,
        max_frame: args.max_frame,
        max_requests_per_second: args.max_requests_per_second,
        min_rate: args.min_rate,
        idle_timeout: Duration::from_secs(args.idle_timeout.into()),
        drain_timeout: Duration::from_secs(args.drain_timeout.into()),
        metrics: args.metrics,
        ..Options::default()
    })
}
