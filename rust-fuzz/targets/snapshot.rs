//! Any bytes are refused or give a processor that works and that is written the same way again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::processor::{Processor, Rule};
use rangebar_core::snapshot;
use rangebar_fuzz::{Source, crc32};

/// The bytes with a head and a checksum that fit, so that the fuzzer gets to what stands between them.
fn sealed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() + 16) as u32;
    let mut bytes = b"RBSN\x01\x00".to_vec();
    let (flags, rest) = data.split_at(data.len().min(2));
    bytes.extend_from_slice(flags);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(rest);
    let checksum = crc32(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A snapshot that a processor wrote, then changed in places, with a checksum that fits again.
fn damaged(data: &[u8]) -> Option<Vec<u8>> {
    let mut source = Source::new(data);
    let changes: Vec<_> = (0..source.byte() % 4)
        .map(|_| (usize::from(source.byte()), source.byte()))
        .collect();
    let mut processor = Processor::new(Rule::new(250, false)?);
    for tick in source.ticks() {
        let _ = processor.push(&tick);
    }
    let mut bytes = Vec::new();
    snapshot::encode(&processor, b"BTCUSDT", &mut bytes).ok()?;
    for (place, change) in changes {
        *bytes.get_mut(place)? ^= change;
    }
    bytes.truncate(bytes.len().checked_sub(4)?);
    let checksum = crc32(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Some(bytes)
}

fn check(bytes: &[u8]) {
    let Ok((mut processor, label)) = snapshot::decode(bytes) else {
        return;
    };
    let mut once = Vec::new();
    snapshot::encode(&processor, label, &mut once).expect("what was read can be written");
    let (again, label) = snapshot::decode(&once).expect("what was written can be read");
    let mut twice = Vec::new();
    snapshot::encode(&again, label, &mut twice).expect("and written again");
    assert_eq!(once, twice);

    if let Some(bar) = processor.forming() {
        bar.features();
    }
    for tick in Source::new(bytes).ticks() {
        if let Ok(Some(bar)) = processor.push(&tick) {
            bar.features();
        }
    }
}

fuzz_target!(|data: &[u8]| {
    check(data);
    check(&sealed(data));
    if let Some(bytes) = damaged(data) {
        check(&bytes);
    }
});
