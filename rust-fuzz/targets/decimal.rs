//! Text is a decimal or refused, and the decimal says what the text said; floats round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::price::{float_to_e8, parse_e8};
use rangebar_fuzz::Source;

fn written(value: i64) -> String {
    let size = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}.{:08}", size / 100_000_000, size % 100_000_000)
}

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = parse_e8(data) {
        let plain = written(value);
        if value != i64::MIN {
            assert_eq!(parse_e8(plain.as_bytes()), Ok(value));
        }
        // An independent reading, as far as a float goes.
        if let Some(float) = std::str::from_utf8(data)
            .ok()
            .and_then(|text| text.parse::<f64>().ok())
        {
            let difference = (float * 1e8 - value as f64).abs();
            assert!(
                difference <= 1.0 + float.abs() * 1e8 * 1e-15,
                "{data:?} gave {value}"
            );
        }
    }
    let float = f64::from_bits(Source::new(data).number() as u64);
    if let Ok(value) = float_to_e8(float) {
        let text = written(value);
        let exact: f64 = text.parse().expect("a float");
        // Beside zero an ulp is the smallest float there is.
        let tolerance = 4.0 * (f64::EPSILON * float.abs() + f64::from_bits(1));
        assert!((exact - float).abs() <= tolerance, "{float:e} gave {text}");
    }
});
