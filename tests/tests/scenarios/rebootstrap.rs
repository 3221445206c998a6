//! Every broker that is known is gone for good, and the cluster is found only where the producer began: KIP-899 (no
//! known broker can be reached) and KIP-1102 (they can, and nothing comes of it for long).
use kurier_broker::Settings;
use kurier_core::config::{Config, MetadataRecovery};
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_core::transport::Endpoint;
use kurier_tests::scene::Scene;

/// Not the address of any broker: as of a load balancer, which leads to one of them.
const PORT: u16 = 9099;
const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "balancer", port: PORT }];
/// `metadata.recovery.rebootstrap.trigger.ms`.
const TRIGGER: u32 = 4_000;

fn config() -> Config<'static> {
    Config::new(SERVERS)
        .linger_ms(0)
        .request_timeout_ms(300)
        .socket_connection_setup_timeout_ms(300)
        .socket_connection_setup_timeout_max_ms(300)
        .reconnect_backoff_ms(20)
        .reconnect_backoff_max_ms(50)
        .delivery_timeout_ms(20_000)
        .metadata_rebootstrap_trigger_ms(TRIGGER)
}

/// How the brokers that are known go away.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gone {
    /// Nothing listens there.
    Refused,
    /// Somebody listens there, and never answers.
    Silent,
}

/// A producer that has written to brokers 1 and 2, which are gone now. Broker 3 has taken over; only the balancer leads
/// to it. One more record waits.
fn moved(config: Config<'static>, gone: Gone) -> Scene {
    // A silent broker is dialled again at once, so there is always one that may answer yet.
    let config = if gone == Gone::Silent {
        config.reconnect_backoff_ms(0).reconnect_backoff_max_ms(0)
    } else {
        config
    };
    let mut scene = Scene::at(1000, Storage::<3, 4, 8, 256>::new(), config, Settings::default(), 2, 2);
    scene.net.inner.ports.insert(PORT, 1);
    scene.cluster().move_leader("lines", 1, 2);
    let topic = scene.lines();
    for partition in 0..2 {
        scene.send(topic, Record::value(b"before").partition(partition));
    }
    assert!(scene.flush(1_000));
    assert_eq!(scene.written, 2);
    scene.cluster().add_broker(3, "broker", 9093);
    scene.net.inner.ports.insert(9093, 3);
    scene.net.inner.ports.insert(PORT, 3);
    for partition in 0..2 {
        scene.cluster().move_leader("lines", partition, 3);
    }
    for broker in 1..=2 {
        scene.cluster().fence(broker);
        match gone {
            Gone::Refused => scene.cluster().kill(broker),
            Gone::Silent => scene.cluster().pause(broker),
        }
    }
    scene.net.dials.clear();
    scene.send(topic, Record::value(b"after").partition(0));
    scene
}

/// How long after `from` the producer turned to where it began.
fn began_anew(scene: &Scene, from: i64) -> Option<i64> {
    scene.net.dials.iter().find(|(_, port)| *port == PORT).map(|(at, _)| at - from)
}

#[test]
fn brokers_that_all_refuse_are_forgotten_for_the_bootstrap_servers_at_once() {
    let mut scene = moved(config(), Gone::Refused);
    let from = scene.net.inner.now;
    assert!(scene.flush(2_000), "not found again");
    assert_eq!((scene.written, scene.lost()), (3, 0));
    let after = began_anew(&scene, from).unwrap();
    assert!(after < 500, "it took {after} ms");
}

#[test]
fn brokers_that_never_answer_are_forgotten_for_the_bootstrap_servers_when_the_trigger_says_so() {
    let mut scene = moved(config(), Gone::Silent);
    let from = scene.net.inner.now;
    assert!(scene.flush(3 * TRIGGER), "not found again");
    assert_eq!((scene.written, scene.lost()), (3, 0));
    let after = u32::try_from(began_anew(&scene, from).unwrap()).unwrap();
    // From the first request for metadata on, which the first request that is not answered begins.
    assert!((TRIGGER..TRIGGER + 1_000).contains(&after), "it took {after} ms");
}

#[test]
fn without_recovery_the_bootstrap_servers_are_never_turned_to_again() {
    for gone in [Gone::Refused, Gone::Silent] {
        let mut scene = moved(config().metadata_recovery(MetadataRecovery::None), gone);
        let from = scene.net.inner.now;
        assert!(scene.flush(25_000), "{gone:?}: no outcome");
        assert_eq!((scene.written, scene.lost()), (2, 1), "{gone:?}");
        assert_eq!(began_anew(&scene, from), None, "{gone:?}");
        assert!(scene.net.dials.len() > 50, "{gone:?}: it tried the ones that it knows");
    }
}
