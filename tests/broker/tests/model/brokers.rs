//! Brokers that stop, come back and hand over.
use crate::client::{Client, NOW, batch, cluster_of, produce_body};
use kurier_broker::{Close, Running, Settings, api};

#[test]
fn a_killed_broker_closes_its_connections_and_takes_no_new_ones() {
    let (mut cluster, client) = cluster_of(2, Settings::default());
    let other = Client::open(&mut cluster, 2);
    cluster.kill(1);
    assert_eq!(cluster.closed(client.id), Some(Close::BrokerDown));
    assert_eq!(client.produce(&mut cluster, "a"), None);
    assert!(cluster.open(1).is_none());
    assert_eq!(cluster.closed(other.id), None);
    assert_eq!(cluster.take_changed(), [client.id, client.id]);
    // Until the controller notices, it is still named.
    assert_eq!(other.lines(&mut cluster).list("partitions")[0].int("leaderId"), 1);
    assert_eq!(other.produce(&mut cluster, "a"), Some((6, -1)));
    cluster.fence(1);
    let partition = other.lines(&mut cluster).list("partitions")[0].clone();
    assert_eq!((partition.int("leaderId"), partition.int("leaderEpoch")), (2, 1));
    assert_eq!(partition.list("offlineReplicas"), [1.into()]);
    assert_eq!(other.produce(&mut cluster, "a"), Some((0, 0)));
    cluster.restart(1);
    assert_eq!(cluster.running(1), Some(Running::Up));
    let partition = other.lines(&mut cluster).list("partitions")[0].clone();
    assert_eq!((partition.int("leaderId"), partition.list("isrNodes").len()), (2, 2));
}

#[test]
fn the_last_replica_leads_again_when_it_is_back() {
    let (mut cluster, _) = cluster_of(2, Settings::default());
    for id in [1, 2] {
        cluster.kill(id);
        cluster.fence(id);
    }
    assert_eq!(cluster.leader("lines", 0), Some((-1, 2)));
    cluster.restart(1);
    assert_eq!(cluster.leader("lines", 0), Some((-1, 2)), "it has not everything");
    cluster.restart(2);
    assert_eq!(cluster.leader("lines", 0), Some((2, 3)));
}

#[test]
fn a_paused_broker_answers_when_it_goes_on() {
    let (mut cluster, client) = cluster_of(1, Settings::default());
    cluster.pause(1);
    assert_eq!(client.produce(&mut cluster, "a"), None);
    assert!(!cluster.is_reading(client.id) && cluster.open(1).is_some());
    assert_eq!((cluster.log_end("lines", 0), cluster.next_deadline()), (Some(0), None));
    cluster.restart(1);
    assert!(cluster.next_deadline().is_some_and(|at| at <= NOW));
    cluster.poll(NOW);
    assert!(!cluster.take_output(client.id).is_empty());
    assert_eq!((cluster.log_end("lines", 0), cluster.next_deadline()), (Some(1), None));
}

#[test]
fn a_moved_leader_is_named_in_the_answer() {
    let (mut cluster, client) = cluster_of(3, Settings::default());
    cluster.move_leader("lines", 0, 3);
    for version in [9, 10, 12] {
        let answer = client.ask(&mut cluster, api::PRODUCE, version, &produce_body(-1, &batch("a"))).unwrap();
        let part = &answer.list("responses")[0].list("partitionResponses")[0];
        assert_eq!(part.int("errorCode"), 6);
        let leader = part.field("currentLeader");
        let nodes: Vec<_> =
            answer.list("nodeEndpoints").iter().map(|node| (node.int("nodeId"), node.int("port"))).collect();
        if version >= 10 {
            assert_eq!((leader.int("leaderId"), leader.int("leaderEpoch"), nodes), (3, 1, vec![(3, 9092)]));
        } else {
            assert!(answer.find("nodeEndpoints").is_none() && nodes.is_empty());
        }
    }
    let new = Client::open(&mut cluster, 3);
    assert_eq!(new.produce(&mut cluster, "a"), Some((0, 0)));
}

#[test]
fn too_few_replicas_refuse_acks_all_only() {
    let (mut cluster, client) = cluster_of(3, Settings::default());
    cluster.configure_topic("lines", |config| config.min_insync_replicas = 2);
    cluster.set_replicas("lines", 0, &[1, 2, 3], &[1]);
    assert_eq!(client.produce(&mut cluster, "a"), Some((19, -1)));
    let answer = client.ask(&mut cluster, api::PRODUCE, 9, &produce_body(1, &batch("a"))).unwrap();
    assert_eq!(answer.list("responses")[0].list("partitionResponses")[0].int("errorCode"), 0);
}

#[test]
fn a_recreated_topic_has_another_id_and_an_empty_log() {
    let (mut cluster, client) = cluster_of(1, Settings::default());
    let old = cluster.topic_id("lines").unwrap();
    client.produce(&mut cluster, "a");
    assert!(cluster.delete_topic("lines") && !cluster.delete_topic("lines"));
    assert_eq!(client.produce(&mut cluster, "b"), Some((3, -1)));
    let new = cluster.create_topic("lines", 2, kurier_broker::TopicConfig::default()).unwrap();
    assert_ne!(old, new);
    assert_eq!(client.produce(&mut cluster, "c"), Some((0, 0)));
    assert!(cluster.grow_topic("lines", 5) && !cluster.grow_topic("none", 5));
    assert_eq!((cluster.partitions("lines"), cluster.log_end("lines", 0)), (5, Some(1)));
    assert!(cluster.create_topic("lines", 1, kurier_broker::TopicConfig::default()).is_err());
}
