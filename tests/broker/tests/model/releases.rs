//! Older brokers, by what they advertise.
use crate::client::{NOW, answers, batch, cluster_of, produce_body, request};
use kurier_broker::testing::frame;
use kurier_broker::{Close, Release, Settings, api};

#[test]
fn a_release_speaks_what_it_advertises_and_no_more() {
    for (release, newest) in [
        (Release::V4_3, 13),
        (Release::V4_0, 12),
        (Release::V3_9, 11),
        (Release::V2_8, 9),
        (Release::V2_4, 8),
        (Release::V2_1, 7),
        (Release::V1_0, 5),
        (Release::V0_11, 3),
    ] {
        let (mut cluster, client) = cluster_of(1, Settings::release(release));
        cluster.handle(client.id, &frame(api::API_VERSIONS, 0, 1, &[]), NOW).unwrap();
        let output = cluster.take_output(client.id);
        assert_eq!(answers(&output)[0].1[6..12], [0, 0, 0, 0, 0, newest], "Produce 0 to {newest}");
        let body = produce_body(-1, &batch("a"));
        let newest = i16::from(newest);
        cluster.handle(client.id, &request(api::PRODUCE, newest, 1, &body), NOW).unwrap();
        if newest < 13 {
            let refused = Close::UnsupportedRequest { api: api::PRODUCE, version: newest + 1 };
            assert_eq!(
                cluster.handle(client.id, &request(api::PRODUCE, newest + 1, 1, &body), NOW),
                Err(refused)
            );
        }
    }
}

#[test]
fn brokers_before_2_4_name_nothing_with_error_35() {
    for (release, answer) in [
        (Release::V2_4, vec![0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3]),
        (Release::V2_1, vec![0, 35, 0, 0, 0, 0]),
        (Release::V0_11, vec![0, 35, 0, 0, 0, 0]),
    ] {
        let (mut cluster, client) = cluster_of(1, Settings::release(release));
        cluster.handle(client.id, &frame(api::API_VERSIONS, 4, 1, b"\x02k\x021\0"), NOW).unwrap();
        assert_eq!(answers(&cluster.take_output(client.id))[0].1, answer);
    }
}

#[test]
fn a_broker_without_idempotence_has_no_producer_ids() {
    let (mut cluster, client) = cluster_of(1, Settings::release(Release::V0_10));
    assert_eq!(Settings::release(Release::V0_10).range(api::INIT_PRODUCER_ID), None);
    let closed =
        cluster.handle(client.id, &frame(api::INIT_PRODUCER_ID, 0, 1, &[0xff, 0xff, 0, 0, 0, 0]), NOW);
    assert_eq!(closed, Err(Close::UnsupportedRequest { api: api::INIT_PRODUCER_ID, version: 0 }));
}
