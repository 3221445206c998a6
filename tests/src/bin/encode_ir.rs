//! Appends N records of 100 bytes to 16 KB batches and seals each, for counting instructions:
//!
//! ```text
//! cargo build --release -p kurier-tests --bin encode_ir
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/encode_ir 100000
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/encode_ir 300000
//! ```
//! The difference of the two counts over 200000 is what one record costs, its share of the header and of the
//! checksum included, without the program's start.
use kurier_core::batch::{Builder, Stamp, seal};
use kurier_core::record::Record;
use kurier_core::time::Timestamp;
use std::hint::black_box;
use std::process::ExitCode;

const BATCH_BYTES: usize = 16_384;
const VALUE_BYTES: usize = 100;
const EPOCH: i64 = 1_700_000_000_000;

fn main() -> ExitCode {
    let Some(records) = std::env::args().nth(1).and_then(|n| n.parse::<u32>().ok()) else {
        eprintln!("usage: encode_ir RECORDS");
        return ExitCode::from(2);
    };
    let mut buf = vec![0_u8; BATCH_BYTES];
    let value = [0x5a_u8; VALUE_BYTES];
    let mut builder = Builder::new();
    let (mut batches, mut sequence) = (0_u32, 0_i32);
    let mut close = |buf: &mut [u8], builder: &mut Builder| {
        let stamp = Stamp { producer_id: 1, epoch: 0, base_sequence: sequence };
        assert!(seal(buf, builder, Some(stamp), false, crc32c::crc32c_append), "nothing to seal");
        sequence = kurier_core::batch::sequence::add(sequence, builder.count);
        batches = batches.wrapping_add(1);
        black_box(&buf);
        *builder = Builder::new();
    };
    let record = Record::value(&value);
    for n in 0..records {
        // Ten records a millisecond.
        let timestamp = Timestamp(EPOCH + i64::from(n / 10));
        if builder.append(black_box(&mut buf), black_box(&record), timestamp).is_err() {
            close(&mut buf, &mut builder);
            assert!(
                builder.append(&mut buf, black_box(&record), timestamp).is_ok(),
                "no room in an empty batch"
            );
        }
    }
    if !builder.is_empty() {
        close(&mut buf, &mut builder);
    }
    println!("{records} records in {batches} batches");
    ExitCode::SUCCESS
}
