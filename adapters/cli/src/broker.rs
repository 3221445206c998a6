//! `kurier broker`: the embedded development broker, in memory, until it is interrupted.
use crate::args;
use crate::exit::{Error, Status};
use crate::{setup, signals};
use kurier_broker::{Server, ServerOptions, Settings, TopicConfig};
use std::sync::mpsc;

/// Runs it.
///
/// # Errors
/// The address cannot be listened on, or a topic is given twice or cannot be created.
pub(crate) fn run(args: &args::Broker) -> Result<Status, Error> {
    for (at, (name, _)) in args.topics.iter().enumerate() {
        if args.topics.iter().take(at).any(|(earlier, _)| earlier == name) {
            return Err(Error::usage(format!("--topic {name}: it is given twice")));
        }
    }
    let (told, interrupts) = mpsc::channel();
    signals::watch(move || {
        // Nobody listens any more: the run is over.
        let _over = told.send(());
    })
    .map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let options = ServerOptions {
        listen: args.listen.clone(),
        advertised_host: args.advertise.clone(),
        settings: settings(args),
        ..ServerOptions::default()
    };
    let server =
        Server::start(options).map_err(|error| Error::usage(format!("--listen {}: {error}", args.listen)))?;
    for (name, partitions) in &args.topics {
        create(&server, name, *partitions, settings(args).topic_defaults)?;
    }
    setup::print(&format!("listening on {}\n", server.bootstrap()))?;
    // The sender lives as long as the process.
    let _interrupted = interrupts.recv();
    Ok(Status::Interrupted)
}

fn settings(args: &args::Broker) -> Settings {
    let topic_defaults =
        TopicConfig { retention_bytes: Some(args.retention_bytes), ..TopicConfig::default() };
    Settings { topic_defaults, ..Settings::default() }
}

/// Creates a topic.
///
/// # Errors
/// There is one of this name.
pub(crate) fn create(server: &Server, name: &str, partitions: u32, config: TopicConfig) -> Result<(), Error> {
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    server
        .with(|cluster| cluster.create_topic(name, count, config))
        .map(drop)
        .map_err(|error| Error::usage(format!("topic {name}: {error}")))
}
