use super::*;
use crate::tick::Tick;

fn processor_after(trades: i64) -> Processor {
    let rule = Rule::new(250, false).expect("a legal threshold");
    let mut processor = Processor::new(rule);
    for id in 0..trades {
        let tick = Tick {
            agg_trade_id: id,
            price_e8: 100_000 + (id % 7) * 20,
            quantity_e8: id,
            first_trade_id: id,
            last_trade_id: id + 2,
            timestamp_us: 1_000_000 + id * 10,
            is_buyer_maker: u8::from(id % 2 == 0),
            ..Tick::default()
        };
        processor.push(&tick).expect("a legal trade");
    }
    processor
}

fn encoded(processor: &Processor, label: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(processor, label, &mut bytes).expect("a legal label");
    bytes
}

#[test]
fn the_checksum_is_the_standard_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn every_state_comes_back_as_it_was() {
    for trades in 0..40 {
        let processor = processor_after(trades);
        let bytes = encoded(&processor, b"BTCUSDT");
        assert!(bytes.len() <= MAX_SNAPSHOT);
        assert_eq!(decode(&bytes), Ok((processor, &b"BTCUSDT"[..])));
    }
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    let bytes = encoded(&processor_after(5), b"ETHUSDT");
    for len in 0..bytes.len() {
        assert!(decode(&bytes[..len]).is_err(), "cut at {len}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&damaged).is_err(), "bit {bit}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(decode(&longer), Err(SnapshotError::Length));
}

#[test]
fn another_version_is_named_before_the_checksum() {
    let mut bytes = encoded(&processor_after(5), b"");
    bytes[4] = 9;
    assert_eq!(decode(&bytes), Err(SnapshotError::Version(9)));
}

#[test]
fn impossible_values_under_a_right_checksum_are_refused() {
    let bytes = encoded(&processor_after(5), b"");
    for offset in (6..bytes.len() - 4).step_by(2) {
        let mut changed = bytes.clone();
        changed[offset] = 0xff;
        changed[offset + 1] = 0xff;
        let end = changed.len() - 4;
        let checksum = crc32(&changed[..end]);
        changed[end..].copy_from_slice(&checksum.to_le_bytes());
        // Whatever passes is a processor that goes on without a panic.
        if let Ok((mut processor, _)) = decode(&changed) {
            let tick = Tick {
                agg_trade_id: i64::MAX,
                price_e8: i64::MAX,
                quantity_e8: i64::MAX,
                last_trade_id: i64::MAX,
                timestamp_us: 1,
                ..Tick::default()
            };
            let _ = processor.push(&tick);
        }
    }
}

#[test]
fn a_turnover_beyond_all_prices_is_refused() {
    const BUY_TURNOVER: usize = HEADER + 96;
    let bytes = encoded(&processor_after(5), b"");
    for change in [1, 0xff] {
        let mut changed = bytes.clone();
        changed[BUY_TURNOVER + 3] ^= change;
        let end = changed.len() - 4;
        let checksum = crc32(&changed[..end]);
        changed[end..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(decode(&changed), Err(SnapshotError::Content));
    }
}

/// With other values at some offsets, and the checksum made right again.
fn forged(bytes: &[u8], changes: &[(usize, i64)]) -> Vec<u8> {
    let mut forged = bytes.to_vec();
    for (offset, value) in changes {
        forged[*offset..*offset + 8].copy_from_slice(&value.to_le_bytes());
    }
    let end = forged.len() - 4;
    let checksum = crc32(&forged[..end]);
    forged[end..].copy_from_slice(&checksum.to_le_bytes());
    forged
}

#[test]
fn a_forming_bar_that_would_have_closed_is_refused() {
    const OPEN_TIME: usize = HEADER;
    const HIGH: usize = HEADER + 24;
    const CLOSE: usize = HEADER + 40;
    let processor = processor_after(5);
    let close_time = processor.last_timestamp_us();
    let bytes = encoded(&processor, b"");
    let ends_at = |close| [(HIGH, close), (CLOSE, close)];
    assert!(decode(&forged(&bytes, &ends_at(100_249))).is_ok());
    assert_eq!(
        decode(&forged(&bytes, &ends_at(100_250))),
        Err(SnapshotError::Unclosed)
    );
    // At its opening time a bar stays open.
    let at_once = [&ends_at(100_250)[..], &[(OPEN_TIME, close_time)]].concat();
    assert!(decode(&forged(&bytes, &at_once)).is_ok());
}

#[test]
fn a_forming_bar_that_counts_too_few_missing_trades_is_refused() {
    const FIRST_AGG_TRADE_ID: usize = HEADER + 152;
    const LAST_AGG_TRADE_ID: usize = HEADER + 160;
    const MISSING: usize = HEADER + 168;
    const POSITION: usize = 16;
    let bytes = encoded(&processor_after(5), b"");
    let ends_at = |last, missing| {
        forged(
            &bytes,
            &[
                (POSITION, last),
                (LAST_AGG_TRADE_ID, last),
                (MISSING, missing),
            ],
        )
    };
    assert_eq!(decode(&ends_at(7, 2)), Err(SnapshotError::Uncounted));
    assert!(decode(&ends_at(7, 3)).is_ok());
    // More may be missing before its first trade.
    assert!(decode(&ends_at(7, 4)).is_ok());
    let whole = [(FIRST_AGG_TRADE_ID, 0), (MISSING, 0)];
    assert!(decode(&forged(&bytes, &whole)).is_ok());
}

#[test]
fn a_label_too_long_writes_nothing() {
    let mut out = vec![1];
    let label = [b'X'; MAX_LABEL + 1];
    assert_eq!(
        encode(&processor_after(1), &label, &mut out),
        Err(SnapshotError::Label)
    );
    assert_eq!(out, [1]);
}
