//! The properties of Kafka's producer: names, types, defaults, and what this one does with each. The table is
//! in two parts, the producer's own keys here and those of security in [`super::security`].
//!
//! Source: `ProducerConfig` of Apache Kafka 4.3; a test compares names and defaults with it, and the table of
//! `docs/configuration.md` with this one.
use super::security;

/// One property.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Kafka's name.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Kafka's default; `None` where there is none or it is null.
    pub default: Option<&'static str>,
    /// What is done with it.
    pub effect: Effect,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`, in any case.
    Bool,
    /// A whole number from the first to the second.
    Int(i64, i64),
    /// A number from the first to the second.
    Decimal(f64, f64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, in any case.
    AnyCase(&'static [&'static str]),
    /// Any text.
    Text,
    /// Any text but an empty one.
    NonEmpty,
    /// Texts with commas between.
    List,
    /// Any text, not to be shown.
    Secret,
}

/// What is done with a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// It does what Kafka's does; the text adds what there is to say.
    Used(&'static str),
    /// It belongs to a feature that is not built yet: any value but the default is refused.
    NotBuilt(&'static str),
    /// It has no meaning here: a warning, and nothing else.
    Ignored(&'static str),
}

impl Kind {
    /// What is allowed, for a sentence that ends so.
    pub fn allowed(&self) -> String {
        match *self {
            Self::Bool => "true or false".to_owned(),
            Self::Int(i64::MIN, _) => "a whole number".to_owned(),
            Self::Int(min, max) => format!("a whole number from {min} to {max}"),
            Self::Decimal(f64::MIN, _) => "a number".to_owned(),
            Self::Decimal(min, max) => format!("a number from {min} to {max}"),
            Self::Choice(words) => words.join(", "),
            Self::AnyCase(words) => format!("{} (in any case)", words.join(", ")),
            Self::Text | Self::Secret => "any text".to_owned(),
            Self::NonEmpty => "any text but an empty one".to_owned(),
            Self::List => "a list with commas".to_owned(),
        }
    }

    /// Whether `value` (white space around it removed) is of this kind.
    pub fn accepts(&self, value: &str) -> bool {
        match *self {
            Self::Bool => bool_of(value).is_some(),
            Self::Int(min, max) => value.parse().is_ok_and(|n: i64| (min..=max).contains(&n)),
            Self::Decimal(min, max) => value.parse().is_ok_and(|n: f64| (min..=max).contains(&n)),
            Self::Choice(words) => words.contains(&value),
            Self::AnyCase(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
            Self::NonEmpty => !value.is_empty(),
            Self::Text | Self::List | Self::Secret => true,
        }
    }

    /// Whether two accepted values mean the same.
    pub fn same(&self, a: &str, b: &str) -> bool {
        match self {
            Self::Int(..) => a.parse::<i64>().ok() == b.parse().ok(),
            Self::Decimal(..) => a.parse::<f64>().ok() == b.parse().ok(),
            Self::Bool | Self::AnyCase(_) => a.eq_ignore_ascii_case(b),
            Self::List => a.split(',').map(str::trim).eq(b.split(',').map(str::trim)),
            _ => a == b,
        }
    }
}

/// The table of `docs/configuration.md`: one row for each property.
impl Key {
    /// `| name | default | allowed | what is done |`.
    pub fn row(&self) -> String {
        let default = match self.default {
            None => "not set".to_owned(),
            Some("") => "empty".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let allowed = if self.name == "bootstrap.servers" {
            super::servers::ALLOWED.to_owned()
        } else {
            self.kind.allowed()
        };
        let effect = match self.effect {
            Effect::Used("") => "Used.".to_owned(),
            Effect::Used(text) => format!("Used. {text}"),
            Effect::NotBuilt(text) => format!("Not built yet: any other value is refused. {text}"),
            Effect::Ignored(text) => format!("No effect, a warning. {text}"),
        };
        format!("| `{}` | {default} | {allowed} | {effect} |", self.name)
    }
}

/// `true` and `false` in any case, as Java reads them.
pub(super) fn bool_of(value: &str) -> Option<bool> {
    if value.eq_ignore_ascii_case("true") {
        Some(true)
    } else if value.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Java's `int` and `long`.
pub(super) const INT_MAX: i64 = i32::MAX as i64;
pub(super) const POSITIVE_INT: Kind = Kind::Int(0, INT_MAX);
const POSITIVE_LONG: Kind = Kind::Int(0, i64::MAX);

pub(super) const fn key(name: &'static str, kind: Kind, default: &'static str, effect: Effect) -> Key {
    Key { name, kind, default: Some(default), effect }
}

/// A key without a default.
pub(super) const fn unset(name: &'static str, kind: Kind, effect: Effect) -> Key {
    Key { name, kind, default: None, effect }
}

/// Every property of Kafka's producer, and `allow.auto.create.topics` beyond them.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    PRODUCER.iter().chain(security::KEYS)
}

/// The property of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

use Effect::{Ignored, NotBuilt, Used};
use Kind::{AnyCase, Bool, Choice, Int, List, NonEmpty, Text};

const CAPPED: &str = "More than 12.4 days acts as 12.4 days.";
const JAVA_CLASS: &str = "A Java class has no meaning here.";
const METRICS: &str = "Metrics are read with `metrics()`; there is no reporter to set up.";

#[rustfmt::skip]
const PRODUCER: &[Key] = &[
    key("acks", Choice(&["all", "-1", "0", "1"]), "all", Used("0: a record is complete when it was written to the socket, without an offset.")),
    key("allow.auto.create.topics", Bool, "true", Used("Not a key of Kafka's producer, which always allows it: false asks the broker not to create the topics it is asked for.")),
    key("batch.size", POSITIVE_INT, "16384", Used("A larger record gets a batch of its own.")),
    unset("bootstrap.servers", List, Used("Required. Tried in turn; a repeated entry counts once, with a warning.")),
    key("buffer.memory", POSITIVE_LONG, "33554432", Used("Bounds the batch buffers.")),
    key("client.dns.lookup", Choice(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]), "use_all_dns_ips", NotBuilt("Every address of a name is tried. The other value serves Kerberos.")),
    key("client.id", Text, "", Used("Not set: `producer-N`, counted within the process. An explicit empty one is kept. At most 32767 bytes.")),
    key("compression.gzip.level", Choice(&["-1", "1", "2", "3", "4", "5", "6", "7", "8", "9"]), "-1", NotBuilt("Compression.")),
    key("compression.lz4.level", Int(1, 17), "9", NotBuilt("Compression.")),
    key("compression.type", Choice(&["none", "gzip", "snappy", "lz4", "zstd"]), "none", NotBuilt("Compression.")),
    key("compression.zstd.level", Int(-131_072, 22), "3", NotBuilt("Compression.")),
    key("config.providers", List, "", Ignored("Values are taken as they are.")),
    key("connections.max.idle.ms", Int(i64::MIN, i64::MAX), "540000", Used("Negative: never. More than 12.4 days acts as 12.4 days.")),
    key("delivery.timeout.ms", POSITIVE_INT, "120000", Used("Below `linger.ms` + `request.timeout.ms`: an error if set, else raised with a warning. More than 12.4 days acts as 12.4 days.")),
    key("enable.idempotence", Bool, "true", Used("Not set, it is turned off with a warning if `acks` or `retries` exclude it.")),
    key("enable.metrics.push", Bool, "true", Ignored("Nothing is pushed to the cluster.")),
    key("interceptor.classes", List, "", Ignored(JAVA_CLASS)),
    unset("key.serializer", Text, Ignored(JAVA_CLASS)),
    key("linger.ms", POSITIVE_LONG, "5", Used(CAPPED)),
    key("max.block.ms", POSITIVE_LONG, "60000", Used("One budget for metadata and memory together.")),
    key("max.in.flight.requests.per.connection", Int(1, INT_MAX), "5", Used("More than 5 is an error unless `enable.idempotence=false`, and then acts as 5.")),
    key("max.request.size", POSITIVE_INT, "1048576", Used("Checked before a record is accepted.")),
    key("metadata.max.age.ms", POSITIVE_LONG, "300000", Used(CAPPED)),
    key("metadata.max.idle.ms", Int(5_000, i64::MAX), "300000", Used(CAPPED)),
    key("metadata.recovery.rebootstrap.trigger.ms", POSITIVE_LONG, "300000", Used(CAPPED)),
    key("metadata.recovery.strategy", AnyCase(&["rebootstrap", "none"]), "rebootstrap", Used("")),
    key("metric.reporters", List, "org.apache.kafka.common.metrics.JmxReporter", Ignored(METRICS)),
    key("metrics.num.samples", Int(1, INT_MAX), "2", Ignored(METRICS)),
    key("metrics.recording.level", Choice(&["INFO", "DEBUG", "TRACE"]), "INFO", Ignored(METRICS)),
    key("metrics.sample.window.ms", POSITIVE_LONG, "30000", Ignored(METRICS)),
    key("partitioner.adaptive.partitioning.enable", Bool, "true", Used("")),
    key("partitioner.availability.timeout.ms", POSITIVE_LONG, "0", Used(CAPPED)),
    unset("partitioner.class", Text, Ignored("The built-in partitioner is used, which places records as Java's does.")),
    key("partitioner.ignore.keys", Bool, "false", Used("")),
    key("receive.buffer.bytes", Int(-1, INT_MAX), "32768", Used("-1: the system's.")),
    key("reconnect.backoff.max.ms", POSITIVE_LONG, "1000", Used(CAPPED)),
    key("reconnect.backoff.ms", POSITIVE_LONG, "50", Used("Set without its maximum, the wait does not grow, as in Java. More than the maximum acts as the maximum.")),
    key("request.timeout.ms", POSITIVE_INT, "30000", Used(CAPPED)),
    key("retries", POSITIVE_INT, "2147483647", Used("")),
    key("retry.backoff.max.ms", POSITIVE_LONG, "1000", Used(CAPPED)),
    key("retry.backoff.ms", POSITIVE_LONG, "100", Used("More than the maximum acts as the maximum.")),
    key("send.buffer.bytes", Int(-1, INT_MAX), "131072", Used("-1: the system's.")),
    key("socket.connection.setup.timeout.max.ms", Int(1, i64::MAX), "30000", Used(CAPPED)),
    key("socket.connection.setup.timeout.ms", Int(1, i64::MAX), "10000", Used("More than the maximum acts as the maximum.")),
    key("transaction.timeout.ms", Int(i32::MIN as i64, INT_MAX), "60000", NotBuilt("Transactions.")),
    key("transaction.two.phase.commit.enable", Bool, "false", NotBuilt("Transactions.")),
    unset("transactional.id", NonEmpty, NotBuilt("Transactions.")),
    unset("value.serializer", Text, Ignored(JAVA_CLASS)),
];

/// Keys of consumers, of admin clients and of librdkafka's machinery: known, warned about, without effect.
pub(super) const FOREIGN: &[&str] = &[
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "auto.commit.interval.ms",
    "auto.include.jmx.reporter",
    "auto.offset.reset",
    "bootstrap.controllers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "builtin.features",
    "check.crcs",
    "client.rack",
    "debug",
    "default.api.timeout.ms",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.partition.eof",
    "enable.random.seed",
    "exclude.internal.topics",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "internal.leave.group.on.close",
    "internal.termination.signal",
    "internal.throw.on.fetch.stable.offset.unsupported",
    "isolation.level",
    "key.deserializer",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "message.copy.max.bytes",
    "partition.assignment.strategy",
    "plugin.library.paths",
    "queue.buffering.backpressure.threshold",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "session.timeout.ms",
    "share.acknowledgement.mode",
    "share.acquire.mode",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "statistics.interval.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.sparse",
    "value.deserializer",
];

/// librdkafka's names for what Kafka calls otherwise.
pub(super) const OTHER_NAMES: &[(&str, &str)] = &[
    ("batch.num.messages", "batch.size"),
    ("compression.codec", "compression.type"),
    ("compression.level", "compression.zstd.level"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.max.bytes", "max.request.size"),
    ("message.send.max.retries", "retries"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("partitioner", "partitioner.class"),
    ("queue.buffering.max.kbytes", "buffer.memory"),
    ("queue.buffering.max.messages", "buffer.memory"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.password", "sasl.jaas.config"),
    ("sasl.username", "sasl.jaas.config"),
    ("socket.receive.buffer.bytes", "receive.buffer.bytes"),
    ("socket.send.buffer.bytes", "send.buffer.bytes"),
    ("socket.timeout.ms", "request.timeout.ms"),
    ("ssl.ca.location", "ssl.truststore.location"),
    ("ssl.certificate.location", "ssl.keystore.location"),
    ("ssl.key.location", "ssl.keystore.location"),
    ("sticky.partitioning.linger.ms", "batch.size"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
];
