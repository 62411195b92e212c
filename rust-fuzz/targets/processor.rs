//! One at a time, in one batch, and across a snapshot: the same trades give the same bars.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::processor::{Processor, Rule};
use rangebar_core::snapshot;
use rangebar_fuzz::Source;

fuzz_target!(|data: &[u8]| {
    let mut source = Source::new(data);
    let threshold_dbps = u32::from(source.byte()) * 4 + 1;
    let same_timestamp_close = source.byte() % 2 == 1;
    let split = usize::from(source.byte());
    let rule = Rule::new(threshold_dbps, same_timestamp_close).expect("a threshold from 1 to 1021");

    let mut single = Processor::new(rule);
    let mut halved = Processor::new(rule);
    let mut bars = Vec::new();
    let mut taken = Vec::new();
    for (index, tick) in source.ticks().into_iter().enumerate() {
        if index == split {
            let mut bytes = Vec::new();
            snapshot::encode(&halved, b"label", &mut bytes).expect("a short label");
            halved = snapshot::decode(&bytes).expect("what was written").0;
        }
        let closed = single.push(&tick);
        assert_eq!(closed, halved.push(&tick));
        assert_eq!(single.forming(), halved.forming());
        let Ok(closed) = closed else { continue };
        taken.push(tick);
        if let Some(bar) = closed {
            bar.features();
            assert!(bar.low_e8 <= bar.vwap_e8() && bar.vwap_e8() <= bar.high_e8);
            bars.push(bar);
        }
    }

    let mut batch = Vec::new();
    let mut whole = Processor::new(rule);
    let count = whole.push_ticks(taken.iter().copied(), usize::MAX, &mut batch);
    assert_eq!(count, Ok(taken.len()));
    assert_eq!(batch, bars);
    assert_eq!(whole.forming(), single.forming());
});
