//! Any bytes as a record batch: read to the end or refused, without panic.
#![no_main]
use kurier_core::batch::read::Batch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok((batch, behind)) = Batch::parse(rest) {
        assert!(behind.len() < rest.len());
        let _ = batch.crc_matches(|crc, bytes| crc32c::crc32c_append(crc, bytes));
        let mut records = 0;
        for record in batch.records() {
            records += 1;
            assert!(records <= data.len(), "more records than bytes");
            if record.is_err() {
                break;
            }
        }
        rest = behind;
    }
});
