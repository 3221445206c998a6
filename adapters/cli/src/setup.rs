//! What the commands begin with: the configuration that the command line comes to, and output.
use crate::args::{Cluster, Talk};
use crate::exit::Error;
use crate::talk;
use kurier::config::{Config, Settings};
use std::io::Write;

/// The configuration: `--config` first, then each `-X`, then the options of its own; the last one counts.
///
/// # Errors
/// A file that cannot be read, an unknown property, a bad value.
pub(crate) fn config(cluster: &Cluster) -> Result<Config, Error> {
    let mut config = Config::new();
    if let Some(path) = &cluster.config {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::usage(format!("--config {}: {error}", path.display())))?;
        config
            .set_properties(&text)
            .map_err(|error| Error::usage(format!("--config {}: {error}", path.display())))?;
    }
    for (name, value) in &cluster.properties {
        config.set(name, value).map_err(Error::usage)?;
    }
    if let Some(servers) = &cluster.bootstrap {
        config.set("bootstrap.servers", servers).map_err(Error::usage)?;
    }
    Ok(config)
}

/// The configuration judged, and its warnings said: once, however many producers are made of it.
///
/// # Errors
/// Properties in conflict, or not built yet.
pub(crate) fn settings(config: &Config, talk: Talk) -> Result<Settings, Error> {
    let settings = config.check().map_err(|error| match error {
        kurier::config::ConfigError::Missing { key: "bootstrap.servers", .. } => {
            Error::usage("no broker to start from: give -b HOST:PORT, or bootstrap.servers in --config")
        }
        other => Error::usage(other),
    })?;
    if !talk.quiet {
        settings.warnings.iter().for_each(|warning| talk::say(format_args!("warning: {warning}")));
    }
    Ok(settings)
}

/// Prints on stdout.
///
/// # Errors
/// Stdout does not take it.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Error::failed(format!("cannot write to stdout: {error}")))
}

/// `host:port`, an IPv6 address in brackets.
pub(crate) fn address(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
