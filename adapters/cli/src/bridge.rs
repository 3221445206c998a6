//! `kurier bridge`: the WebSocket bridge, until it is interrupted.
use crate::args;
use crate::exit::{Error, Status};
use crate::{setup, signals};
use kurier_bridge::{Options, Server, StartError, Topics};
use std::sync::mpsc;
use std::time::Duration;

/// Runs it.
///
/// # Errors
/// The options make no bridge, or the address cannot be listened on.
pub(crate) fn run(args: &args::Bridge) -> Result<Status, Error> {
    let (told, events) = mpsc::channel();
    let ended = told.clone();
    signals::watch(move || {
        // Nobody listens any more: the run is over.
        let _over = told.send(());
    })
    .map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let server = Server::start(options(args)?).map_err(|error| match error {
        StartError::Options(error) => Error::usage(error),
        error => Error::usage(format!("--listen {}: {error}", args.listen)),
    })?;
    setup::print(&format!("listening on ws://{}\n", server.address()))?;
    if let Some(address) = server.metrics_address() {
        setup::print(&format!("metrics on http://{address}/metrics\n"))?;
    }
    // The sender lives as long as the process.
    let _interrupted = events.recv();
    // In good order, unless a second interrupt comes first. A thread that cannot be had drops the server all the same.
    let _ending = std::thread::Builder::new().spawn(move || {
        drop(server);
        let _over = ended.send(());
    });
    let _ended = events.recv();
    Ok(Status::Interrupted)
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
        insecure: args.insecure,
        max_connections: args.max_connections,
        max_connections_per_client: args.max_connections_per_client,
        max_frame: args.max_frame,
        max_requests_per_second: args.max_requests_per_second,
        idle_timeout: Duration::from_secs(args.idle_timeout.into()),
        drain_timeout: Duration::from_secs(args.drain_timeout.into()),
        metrics: args.metrics,
        ..Options::default()
    })
}
