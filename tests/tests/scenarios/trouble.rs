//! What a producer tells of a way that is blocked (`Producer::trouble`): until it is free again, and no longer.
use super::stage::{NAME, SERVERS, Stage, config};
use kurier_core::sender::{Server, TroubleKind};
use kurier_core::storage::Storage;
use kurier_core::transport::Endpoint;

/// What is wrong, with whom, at which port.
fn told(stage: &Stage) -> Option<(TroubleKind, Server, u16)> {
    let (trouble, at) = stage.producer.trouble()?;
    Some((trouble.kind, trouble.server, at.port))
}

#[test]
fn a_leader_that_nobody_reaches_is_told_of_all_the_time_though_the_bootstrap_server_answers() {
    let mut stage = Stage::with(Storage::<2, 4, 12, 1024>::new(), config(), 1, 1);
    // As with `advertised.listeners` that name what the client cannot reach.
    stage.net.cluster.add_broker(1, "elsewhere", 7);
    stage.send(8);
    stage.until(|stage| told(stage).is_some());
    let opened = stage.stats().connections_opened;
    for _ in 0..200 {
        stage.turns(50);
        assert_eq!(told(&stage), Some((TroubleKind::Unreachable, Server::Broker(1), 7)));
    }
    assert!(stage.stats().connections_opened > opened + 2, "the bootstrap server was reached meanwhile");
    stage.net.ports.insert(7, 1);
    stage.flush();
    assert_eq!(told(&stage), None);
    stage.check();
}

#[test]
fn a_broker_that_nothing_leads_to_any_more_is_nobodys_trouble_once_something_is_written() {
    let mut stage = Stage::new(config().metadata_max_age_ms(100));
    stage.send(8);
    stage.flush();
    stage.net.cluster.move_leader(NAME, 0, 2);
    stage.net.ports.remove(&9092);
    stage.send(8);
    stage.until(|stage| told(stage).is_some());
    stage.net.cluster.fence(2);
    stage.until(|stage| stage.log(0).len() == 2);
    stage.turns(2000);
    stage.send(8);
    stage.flush();
    assert_eq!(told(&stage), None);
    stage.check();
}

#[test]
fn any_server_that_greets_ends_the_trouble_with_another_of_the_bootstrap_servers() {
    const TWO: &[Endpoint<'static>] = &[Endpoint { host: "broker", port: 7 }, SERVERS[0]];
    let mut stage = Stage::new(kurier_core::config::Config::new(TWO).linger_ms(0));
    stage.until(|stage| told(stage).is_some());
    assert_eq!(told(&stage), Some((TroubleKind::Unreachable, Server::Bootstrap(0), 7)));
    stage.send(8);
    stage.flush();
    assert_eq!(told(&stage), None);
}

#[test]
fn a_server_whose_stream_opens_is_not_called_unreachable_any_more() {
    let mut stage = Stage::new(config().request_timeout_ms(2000).reconnect_backoff_max_ms(50));
    stage.net.ports.remove(&9091);
    stage.until(|stage| told(stage).is_some());
    assert_eq!(told(&stage), Some((TroubleKind::Unreachable, Server::Bootstrap(0), 9091)));
    // It opens, and takes nothing.
    stage.net.room.insert(9091, 0);
    stage.net.ports.insert(9091, 1);
    stage.until(|stage| told(stage).is_none());
    stage.turns(500);
    assert_eq!(told(&stage), None);
    stage.until(|stage| told(stage).is_some());
    assert_eq!(told(&stage), Some((TroubleKind::NoAnswer, Server::Bootstrap(0), 9091)));
}
