//! Hashes and choices of partitions as Kafka's own classes make them.
#![allow(clippy::unwrap_used)]
use kurier_core::partitioner::{
    Candidate, Sticky, choose, choose_uniform, choose_weighted, murmur2, partition_for_key,
};
use kurier_tests::vectors::{id, int, lines, unhex};
use serde_json::Value;

fn numbers<T: TryFrom<i64>>(json: &Value) -> Vec<T> {
    let number = |json| T::try_from(int(json)).ok().unwrap();
    json.as_array().unwrap().iter().map(number).collect()
}

fn pairs(json: &Value) -> Vec<(u32, i32)> {
    let pair = |pair: &Value| (u32::try_from(int(&pair[0])).unwrap(), i32::try_from(int(&pair[1])).unwrap());
    json.as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn vectors_murmur2_places_keys_as_kafka_does() {
    let lines = lines("murmur2");
    let mut placed = 0;
    for line in &lines {
        let key = unhex(line["key"].as_str().unwrap());
        assert_eq!(i64::from(murmur2(&key).cast_signed()), int(&line["murmur2"]), "{}", id(line));
        for (count, partition) in pairs(&line["partitions"]) {
            assert_eq!(partition_for_key(&key, count), partition, "{} of {count}", id(line));
            placed += 1;
        }
    }
    assert!(lines.len() > 400 && placed > 4000, "{} keys, {placed} placed", lines.len());
}

fn test(name: &str) -> Vec<Value> {
    lines("partitioner_sticky").into_iter().filter(|line| line["test"] == name).collect()
}

#[test]
fn vectors_sticky_choices_are_those_of_kafka() {
    let lines = test("choice");
    let (mut weighed, mut even) = (0, 0);
    for line in &lines {
        let queues: Vec<u16> = numbers(&line["queueSizes"]);
        let ids: Vec<i32> = numbers(&line["partitionIds"]);
        let kept = usize::try_from(int(&line["length"])).unwrap();
        let all = u32::try_from(queues.len()).unwrap();
        let candidates = ids.iter().zip(&queues).enumerate().map(|(n, (partition, queue))| Candidate {
            partition: *partition,
            queue: *queue,
            slow: n >= kept,
        });
        for (random, partition) in pairs(&line["draws"]) {
            let choice = choose_weighted(random, all, candidates.clone());
            assert_eq!(choice.is_none(), line["table"].is_null(), "{}", id(line));
            // Without a table Kafka numbers the partitions from 0, whatever the ids beside the sizes.
            let choice =
                choice.unwrap_or_else(|| choose_uniform(random, all, 0..queues.len().try_into().unwrap()));
            assert_eq!(choice, partition, "{} random {random}", id(line));
        }
        if line["table"].is_null() {
            even += 1;
            continue;
        }
        weighed += 1;
        // Every entry of the table, from both sides.
        let table: Vec<u32> = numbers(&line["table"]);
        for (n, entry) in table.iter().enumerate().filter(|(_, entry)| **entry > 0) {
            assert_eq!(choose(entry - 1, all, true, candidates.clone()), ids[n], "{} entry {n}", id(line));
            let next = if n + 1 == table.len() { ids[0] } else { ids[n + 1] };
            assert_eq!(choose(*entry, all, true, candidates.clone()), next, "{} after entry {n}", id(line));
        }
    }
    assert!(weighed > 50 && even > 8, "{weighed} weighed, {even} even");
}

#[test]
fn vectors_sticky_traces_switch_when_kafka_does() {
    let lines = test("trace");
    let mut switches = 0;
    for line in &lines {
        let size = u32::try_from(int(&line["stickyBatchSize"])).unwrap();
        let available: Vec<bool> =
            line["available"].as_array().unwrap().iter().map(|json| json.as_bool().unwrap()).collect();
        let count = u32::try_from(available.len()).unwrap();
        let randoms: Vec<u32> = numbers(&line["randoms"]);
        let mut drawn = 0;
        let mut choose_next = || {
            let with_leader = (0..).zip(&available).filter(|(_, available)| **available);
            let candidates = with_leader.map(|(partition, _)| Candidate { partition, queue: 0, slow: false });
            drawn += 1;
            (choose(randoms[drawn - 1], count, false, candidates), drawn)
        };
        let mut sticky = Sticky::new();
        assert_eq!(sticky.partition(), None);
        let (first, mut last_drawn) = choose_next();
        sticky.switch(first);
        assert_eq!(i64::from(first), int(&line["first"]), "{}", id(line));
        for (n, step) in line["steps"].as_array().unwrap().iter().enumerate() {
            let appended = u32::try_from(int(&step["appended"])).unwrap();
            if sticky.note(appended, size, step["switch"].as_bool().unwrap()) {
                let (next, drawn) = choose_next();
                sticky.switch(next);
                last_drawn = drawn;
                switches += 1;
            }
            let seen = (sticky.partition().map(i64::from), i64::try_from(last_drawn).unwrap());
            assert_eq!(seen, (Some(int(&step["partition"])), int(&step["drawn"])), "{} step {n}", id(line));
        }
    }
    assert!(lines.len() > 10 && switches > 50, "{} traces, {switches} switches", lines.len());
}
