//! The device's image in QEMU on a cable whose far end is ours: leases and names that come late or never, addresses
//! nobody has, frames that are lost and doubled, a reset at any moment.
#![cfg(feature = "firmware")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test

mod ether;
mod town;

use ether::Weather;
use kurier_tests::device::{Device, M3};
use std::time::Duration;
use town::{GOOD, Manners, NAME, Town};

const PATIENCE: Duration = Duration::from_secs(120);
const BY_NAME: &str = "bootstrap=broker.example:9091";
/// What is wrong with a name.
const NO_NAME: &str = "link: DNS gives no address for the broker's name: is its server right?";
const BY_ADDRESS: &str = "bootstrap=10.0.2.2:9091";

fn device(town: &Town, words: &[&str]) -> Device {
    Device::start_on(&town.nic, M3, &[&["topic=telemetry"], words].concat()).unwrap()
}

#[test]
fn bootstrap_servers_and_advertised_brokers_are_found_by_their_names() {
    let town = Town::start(GOOD);
    let (status, figures) = device(&town, &[BY_NAME, "records=200"]).end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged")), (Some(0), 200));
    let seen = town.leave();
    assert_eq!(seen.samples, (0..200).collect::<Vec<_>>());
    assert!(seen.questions > 0, "the way there was asked for");
    // Both ways; the last frames towards it may come when it has said its figures.
    let ([towards, from], known) = (seen.bytes, figures.of("wire_bytes"));
    assert!((from + towards / 2..=from + towards).contains(&known), "{known} of {:?}", seen.bytes);
}

#[test]
fn a_name_that_is_not_known_yet_is_trouble_and_asked_for_again() {
    let town = Town::start(Manners { knows: false, ..GOOD });
    let mut device = device(&town, &[BY_NAME, "records=20"]);
    let trouble = device.wait_for("trouble: ", PATIENCE).unwrap();
    assert_eq!(trouble, format!("trouble: Unreachable at {NAME}:9091"));
    assert!(device.said.iter().any(|line| line == NO_NAME), "{:?}", device.said);
    town.behave(GOOD);
    assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
    assert_eq!(town.leave().samples, (0..20).collect::<Vec<_>>());
}

#[test]
fn a_dhcp_server_that_is_silent_is_told_of_and_asked_until_it_answers() {
    let town = Town::start(Manners { leases: false, ..GOOD });
    let mut device = device(&town, &[BY_ADDRESS, "records=20"]);
    for _ in 0..2 {
        device.wait_for("trouble: no address: DHCP does not answer", PATIENCE).unwrap();
    }
    assert!(device.said.iter().all(|line| !line.starts_with("link: ")), "{:?}", device.said);
    town.behave(GOOD);
    assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
    assert_eq!(town.leave().samples, (0..20).collect::<Vec<_>>());
}

#[test]
fn an_address_that_nobody_has_is_trouble_and_not_the_end() {
    let town = Town::start(GOOD);
    let mut device = device(&town, &["bootstrap=10.0.2.77:9092", "records=1"]);
    for _ in 0..2 {
        let trouble = device.wait_for("trouble: ", PATIENCE).unwrap();
        assert_eq!(trouble, "trouble: Unreachable at 10.0.2.77:9092");
    }
    town.leave();
}

#[test]
fn a_broker_whose_own_address_leads_nowhere_is_named_though_it_answered_as_the_bootstrap_server() {
    // Samples come all the time, and the oldest give way.
    let town = Town::start(Manners { knows: false, ..GOOD });
    let mut device = device(&town, &[BY_ADDRESS, "records=1200", "every=20", "full=drop"]);
    for _ in 0..2 {
        let trouble = device.wait_for("trouble: ", PATIENCE).unwrap();
        assert_eq!(trouble, format!("trouble: Unreachable at {NAME}:9091"));
    }
    assert!(device.said.iter().any(|line| line == NO_NAME), "{:?}", device.said);
    town.behave(GOOD);
    let (_, figures) = device.end(PATIENCE).unwrap();
    assert!(figures.of("dropped") > 100 && figures.of("acknowledged") > 100, "{figures:?}");
    let missed = figures.of("missed");
    assert_eq!(figures.of("dropped") + figures.of("acknowledged"), 1200, "{missed} missed");
    town.leave();
}

#[test]
fn frames_that_are_lost_doubled_and_damaged_lose_and_double_no_record() {
    let town =
        Town::start(Manners { weather: Weather { loss: 5, twice: 5, damage: 10, ..GOOD.weather }, ..GOOD });
    let (status, figures) = device(&town, &[BY_ADDRESS, "records=200"]).end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged")), (Some(0), 200));
    let seen = town.leave();
    assert_eq!(seen.samples, (0..200).collect::<Vec<_>>());
    assert!(seen.mishaps.iter().all(|count| *count > 0), "the cable did its worst: {:?}", seen.mishaps);
}

#[test]
fn bursts_beyond_the_controllers_room_cost_frames_and_time_and_no_record() {
    let town = Town::start(Manners { weather: Weather { burst: 24, ..GOOD.weather }, ..GOOD });
    let mut device = device(&town, &[BY_ADDRESS, "records=400", "every=10"]);
    device.wait_for("network: ", PATIENCE).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    // What comes from here on has room, and is counted before the end.
    town.behave(GOOD);
    std::thread::sleep(Duration::from_secs(1));
    let unfetched = town.unfetched();
    let (_, figures) = device.end(PATIENCE).unwrap();
    let (acknowledged, refused) = (figures.of("acknowledged"), figures.of("refused"));
    assert_eq!((acknowledged + refused, figures.of("failed")), (400, 0));
    let seen = town.leave();
    assert_eq!(seen.samples.len() as u64, acknowledged);
    assert!(seen.samples.is_sorted_by(|a, b| a < b), "in order, none twice");
    assert!(seen.samples.contains(&399), "it is as good as new");
    // The controller's count of them is always 0 in QEMU: what came and was neither taken nor refused found no room.
    let came = seen.sent - unfetched;
    let known = figures.of("frames") + figures.of("frames_dropped");
    assert!(known + 300 < came, "{came} frames came, it knows of {known}; {unfetched} were not fetched");
}

#[test]
fn a_reset_at_any_moment_is_a_new_beginning() {
    let town = Town::start(GOOD);
    let mut device = device(&town, &[BY_NAME, "records=60", "every=10"]);
    // While it asks for an address, for a name, opens, greets, has the first batch on its way, is in the middle.
    for ms in [5, 15, 30, 45, 60, 80, 110, 150, 200, 260, 330, 410] {
        if ms >= 150 {
            // However busy this machine is: there are records before these.
            device.wait_for("network: ", PATIENCE).unwrap();
        }
        std::thread::sleep(Duration::from_millis(ms));
        device.hear();
        device.reset().unwrap();
    }
    assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
    let samples = town.leave().samples;
    let begins: Vec<usize> = (0..samples.len()).filter(|at| samples[*at] == 0).collect();
    for (nth, begin) in begins.iter().enumerate() {
        let end = begins.get(nth + 1).copied().unwrap_or(samples.len());
        let series = &samples[*begin..end];
        assert!(
            series.iter().copied().eq(0..series.len() as u64),
            "one boot's, from its first on: {series:?}"
        );
    }
    assert_eq!(samples.len() - begins.last().unwrap(), 60, "the last boot's are all there");
    assert!(begins.len() > 2, "resets came before and after first records: {begins:?}");
}

#[test]
fn a_reset_while_it_waits_for_an_address_a_name_or_a_broker_is_a_new_beginning() {
    let bad = Weather { loss: 100, ..GOOD.weather };
    let town = Town::start(Manners { leases: false, knows: false, ..GOOD });
    let mut device = device(&town, &[BY_NAME, "records=20"]);
    // DHCP is silent, then there is no such name, then the broker's cable is cut: with a lease and a name that came before it.
    device.wait_for("trouble: no address", PATIENCE).unwrap();
    device.reset().unwrap();
    device.wait_for("trouble: no address", PATIENCE).unwrap();
    town.behave(Manners { knows: false, ..GOOD });
    for _ in 0..2 {
        device.wait_for("trouble: Unreachable at broker.example", PATIENCE).unwrap();
        device.reset().unwrap();
    }
    device.wait_for("network: 10.0.2.15/24", PATIENCE).unwrap();
    town.behave(Manners { weather: bad, ..GOOD });
    device.wait_for("trouble: ", PATIENCE).unwrap();
    device.reset().unwrap();
    device.wait_for("trouble: no address", PATIENCE).unwrap();
    town.behave(GOOD);
    let (status, figures) = device.end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged")), (Some(0), 20));
    assert_eq!(town.leave().samples, (0..20).collect::<Vec<_>>());
}

#[test]
fn a_lease_that_ends_is_told_of_and_the_next_one_is_taken() {
    let town = Town::start(Manners { lease: 4, ..GOOD });
    let mut device = device(&town, &[BY_ADDRESS, "records=400", "every=50"]);
    device.wait_for("network: 10.0.2.15/24", PATIENCE).unwrap();
    town.behave(Manners { leases: false, ..GOOD });
    device.wait_for("network: no lease", PATIENCE).unwrap();
    // What is not leased any more is not used: somebody else may have it.
    device.wait_for("trouble: no address", Duration::from_secs(15)).unwrap();
    town.behave(GOOD);
    // It asks every ten seconds: the samples go on for longer than that.
    device.wait_for("network: 10.0.2.15/24", PATIENCE).unwrap();
    let (_, figures) = device.end(PATIENCE).unwrap();
    let acknowledged = figures.of("acknowledged");
    assert_eq!((acknowledged + figures.of("refused"), figures.of("failed")), (400, 0));
    assert!(figures.of("connections") > 1, "{figures:?}");
    let seen = town.leave();
    assert_eq!(seen.samples.len() as u64, acknowledged);
    assert!(seen.samples.is_sorted_by(|a, b| a < b) && seen.samples.contains(&399), "in order, to the last");
}

#[test]
fn a_broker_in_another_network_is_reached_over_the_router_of_the_lease_or_of_the_words() {
    let town = Town::start(Manners { beyond: true, ..GOOD });
    assert_eq!(device(&town, &[BY_NAME, "records=20"]).end(PATIENCE).unwrap().0, Some(0));
    assert_eq!(town.leave().samples, (0..20).collect::<Vec<_>>());
    // As long as nobody leases anything.
    for (bootstrap, address, shown) in [
        (BY_NAME, "address=10.0.2.44", "network: 10.0.2.44/24"),
        ("bootstrap=192.0.2.2:9091", "address=10.0.2.44/16", "network: 10.0.2.44/16"),
    ] {
        let town = Town::start(Manners { beyond: true, leases: false, ..GOOD });
        let words = [bootstrap, address, "router=10.0.2.2", "dns=10.0.2.2", "records=20"];
        let mut device = device(&town, &words);
        device.wait_for(shown, PATIENCE).unwrap();
        assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
        assert_eq!(town.leave().samples, (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_name_server_that_is_gone_is_no_trouble_where_the_lease_has_another() {
    let town = Town::start(Manners { spare: true, ..GOOD });
    assert_eq!(device(&town, &[BY_NAME, "records=20"]).end(PATIENCE).unwrap().0, Some(0));
    assert_eq!(town.leave().samples, (0..20).collect::<Vec<_>>());
}

#[test]
fn streams_begin_elsewhere_with_each_boot_and_each_time_that_the_power_comes() {
    let begun = |words: &[&str]| {
        let town = Town::start(GOOD);
        assert_eq!(
            device(&town, &[&[BY_ADDRESS, "records=3"], words].concat()).end(PATIENCE).unwrap().0,
            Some(0)
        );
        town.leave().streams
    };
    let naps = begun(&["naps=2"]);
    // A boot's ports follow one another, from where its seed says by steps of 10 127 (`kurier_smoltcp`): so far its seed can be
    // told from the first of them. What the lease stirs in counts in the boot that it came to, and in those after it:
    // their seeds are one apart.
    let boots: Vec<_> =
        naps.chunk_by(|one, next| one.0.wrapping_add(1) | 0xC000 == next.0).map(|boot| boot[0].0).collect();
    let seeds: Vec<_> = boots.iter().map(|port| port.wrapping_mul(5999) & 0x3FFF).collect();
    assert_eq!(seeds.len(), 3, "{naps:?}");
    assert!(seeds.is_sorted_by(|one, next| ((one ^ next) + 1).is_power_of_two()), "{seeds:?} of {naps:?}");
    let streams = [naps, begun(&[]), begun(&["address=10.0.2.44", "dns=10.0.2.2"])].concat();
    assert!(streams.len() >= 5, "{streams:?}");
    for (nth, stream) in streams.iter().enumerate() {
        assert!(streams[..nth].iter().all(|other| other.0 != stream.0 && other.1 != stream.1), "{streams:?}");
    }
}

#[test]
fn an_own_address_without_router_or_name_server_says_which_of_them_it_lacks() {
    let town = Town::start(Manners { beyond: true, leases: false, ..GOOD });
    for (words, lacks) in [
        // The bootstrap server is reached, and tells the name of the broker that has the topic.
        ([BY_ADDRESS, "address=10.0.2.44"], NO_NAME),
        (["bootstrap=192.0.2.2:9091", "address=10.0.2.44"], "link: no route to the broker: "),
    ] {
        device(&town, &words).wait_for(lacks, PATIENCE).unwrap();
    }
    town.leave();
}
