//! `kurier metadata`: brokers, topics, partitions, leaders and API versions, as text or JSON.
use crate::api_names;
use crate::args;
use crate::exit::{Error, Status};
use crate::link::{Link, Patience, error_name};
use crate::setup;
use kurier_broker::codec::{Value, object};
use std::fmt::Write;
use std::time::Duration;

/// Asks the first bootstrap server that answers, and prints what it says.
///
/// # Errors
/// Wrong configuration, no server that answers, or an error for the whole answer.
pub(crate) fn run(args: &args::Metadata) -> Result<Status, Error> {
    for topic in &args.topics {
        args::topic_name(topic).map_err(Error::usage)?;
    }
    let settings = setup::settings(&setup::config(&args.cluster)?, args.cluster.talk)?;
    let endpoints = settings.endpoints();
    let core = settings.core(&endpoints);
    let core = core.check().map_err(Error::usage)?;
    let patience = Patience {
        connect: Duration::from_millis(core.socket_connection_setup_timeout_ms().into()),
        request: Duration::from_millis(core.request_timeout_ms().into()),
    };
    let client_id = settings.client_id.as_deref().unwrap_or("kurier");
    let mut failures = Vec::new();
    for server in &settings.bootstrap {
        let name = setup::address(&server.host, server.port.into());
        match Link::open(server, client_id, patience)
            .and_then(|mut link| Ok((ask(&mut link, &args.topics)?, link)))
        {
            Ok((answer, link)) => {
                let text = if args.json { json(&answer, &link) } else { text(&answer, &link, &name) };
                setup::print(&text)?;
                return status(&answer);
            }
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    Err(Error::failed(format!("no broker could be asked; {}", failures.join("; "))))
}

fn ask(link: &mut Link, topics: &[String]) -> Result<Value, String> {
    let wanted = match topics {
        [] => Value::Null,
        some => {
            Value::Array(some.iter().map(|name| object([("name", Value::from(name.as_str()))])).collect())
        }
    };
    link.call(3, &object([("topics", wanted), ("allowAutoTopicCreation", Value::from(false))]))
}

/// An error for the whole answer, or for a topic that was asked for, is told and shows in the exit status.
fn status(answer: &Value) -> Result<Status, Error> {
    if answer.int("errorCode") != 0 {
        return Err(Error::failed(error_name(answer.int("errorCode"))));
    }
    let mut bad = answer.list("topics").iter().filter(|topic| topic.int("errorCode") != 0);
    match bad.next() {
        Some(topic) => Err(Error::failed(format!(
            "topic {}: {}",
            topic.text("name"),
            error_name(topic.int("errorCode"))
        ))),
        None => Ok(Status::Written),
    }
}

fn text(answer: &Value, link: &Link, asked: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _infallible = write_text(&mut out, answer, link, asked);
    out
}

fn write_text(out: &mut String, answer: &Value, link: &Link, asked: &str) -> std::fmt::Result {
    writeln!(out, "cluster {}, asked {asked}", answer.text_or_null("clusterId").unwrap_or("(unnamed)"))?;
    let brokers = answer.list("brokers");
    writeln!(out, "{}:", counted(brokers.len(), "broker"))?;
    for broker in brokers {
        let controller = broker.int("nodeId") == answer.int_or("controllerId", -1);
        let address = setup::address(broker.text("host"), broker.int("port"));
        write!(out, "  {} at {address}", broker.int("nodeId"))?;
        if let Some(rack) = broker.text_or_null("rack") {
            write!(out, ", rack {rack}")?;
        }
        writeln!(out, "{}", if controller { " (controller)" } else { "" })?;
    }
    let topics = answer.list("topics");
    writeln!(out, "{}:", counted(topics.len(), "topic"))?;
    for topic in topics {
        write!(out, "  {}, {}", topic.text("name"), counted(topic.list("partitions").len(), "partition"))?;
        if topic.bool("isInternal") {
            write!(out, ", internal")?;
        }
        writeln!(out, "{}", failure(topic))?;
        let mut partitions: Vec<&Value> = topic.list("partitions").iter().collect();
        partitions.sort_by_key(|partition| partition.int("partitionIndex"));
        for partition in partitions {
            let leader = match partition.int("leaderId") {
                -1 => "no leader".to_owned(),
                id => format!("leader {id}"),
            };
            let (replicas, isr) = (ids(partition, "replicaNodes"), ids(partition, "isrNodes"));
            write!(out, "    {} {leader}", partition.int("partitionIndex"))?;
            writeln!(out, ", replicas {}, in sync {}{}", list(&replicas), list(&isr), failure(partition))?;
        }
    }
    writeln!(out, "API versions of {asked}:")?;
    for range in &link.versions {
        writeln!(out, "  {} ({}) {}-{}", api_names::name(range.key), range.key, range.min, range.max)?;
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn failure(value: &Value) -> String {
    match value.int("errorCode") {
        0 => String::new(),
        code => format!(", {}", error_name(code)),
    }
}

fn ids(partition: &Value, name: &str) -> Vec<i64> {
    partition.list(name).iter().filter_map(Value::as_int).collect()
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

fn json(answer: &Value, link: &Link) -> String {
    use serde_json::{Value as Json, json};
    let error = |value: &Value| match value.int("errorCode") {
        0 => Json::Null,
        code => Json::from(kurier_core::wire::ErrorCode(i16::try_from(code).unwrap_or(i16::MAX)).name()),
    };
    let brokers: Vec<Json> = answer
        .list("brokers")
        .iter()
        .map(|broker| {
            json!({"id": broker.int("nodeId"), "host": broker.text("host"), "port": broker.int("port"),
                   "rack": broker.text_or_null("rack")})
        })
        .collect();
    let partition = |partition: &Value| {
        json!({"partition": partition.int("partitionIndex"), "leader": partition.int("leaderId"),
               "leader_epoch": partition.int_or("leaderEpoch", -1), "replicas": ids(partition, "replicaNodes"),
               "isr": ids(partition, "isrNodes"), "offline": ids(partition, "offlineReplicas"),
               "error": error(partition)})
    };
    let topics: Vec<Json> = answer
        .list("topics")
        .iter()
        .map(|topic| {
            let partitions: Vec<Json> = topic.list("partitions").iter().map(partition).collect();
            json!({"name": topic.text("name"), "id": uuid(topic.uuid("topicId")), "error": error(topic),
                   "internal": topic.bool("isInternal"), "partitions": partitions})
        })
        .collect();
    let versions: Vec<Json> = link
        .versions
        .iter()
        .map(|r| json!({"key": r.key, "name": api_names::name(r.key), "min": r.min, "max": r.max}))
        .collect();
    let all = json!({"cluster_id": answer.text_or_null("clusterId"), "controller_id": answer.int_or("controllerId", -1),
                     "error": error(answer), "brokers": brokers, "topics": topics, "api_versions": versions});
    format!("{all}\n")
}

/// As 32 hex digits; null for a broker that has no topic ids.
fn uuid(id: [u8; 16]) -> Option<String> {
    let hex = || id.iter().map(|byte| format!("{byte:02x}")).collect();
    (id != [0; 16]).then(hex)
}
