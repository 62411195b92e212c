//! Repeated ids go, gaps are told, and neither depends on how the tape is cut.

use crate::decode::random::Random;
use crate::decode::{Gap, NO_POSITION, Sift};
use crate::tick::Tick;

fn tick(id: i64) -> Tick {
    Tick {
        agg_trade_id: id,
        price_e8: 1,
        timestamp_us: id.saturating_mul(1_000),
        ..Tick::default()
    }
}

fn ids(ticks: &[Tick]) -> Vec<i64> {
    ticks.iter().map(|tick| tick.agg_trade_id).collect()
}

#[test]
fn repeated_ids_go_and_the_order_stays() {
    let mut ticks = [5, 6, 6, 5, 7, 7, 8].map(tick);
    ticks[2].price_e8 = 2;
    let mut sift = Sift::new();
    let sifted = sift.pass(&mut ticks, &mut []);
    assert_eq!((sifted.consumed, sifted.kept, sifted.repeated), (7, 4, 3));
    assert_eq!(
        (sifted.differing, sifted.gaps, sifted.restarted),
        (1, 0, false)
    );
    assert_eq!(ids(&ticks[..4]), [5, 6, 7, 8]);
    assert_eq!(ticks[1].price_e8, 1, "the first copy stays");
    assert_eq!(sift.last, tick(8));
}

#[test]
fn a_position_decides_what_comes_first() {
    let gap_before = |position, id| {
        let mut gaps = [Gap::default(); 1];
        let sifted = Sift::after(position).pass(&mut [tick(id)], &mut gaps);
        (sifted.kept, gaps.get(..sifted.gaps).unwrap().to_vec())
    };
    assert_eq!(gap_before(NO_POSITION, 9), (1, vec![]));
    assert_eq!(gap_before(8, 9), (1, vec![]));
    assert_eq!(gap_before(9, 9), (0, vec![]));
    assert_eq!(gap_before(-1, 0), (1, vec![]));
    let gap = |from_id, to_id| vec![Gap { from_id, to_id }];
    assert_eq!(gap_before(-1, 9), (1, gap(0, 8)));
    assert_eq!(gap_before(0, i64::MAX), (1, gap(1, i64::MAX - 1)));
}

#[test]
fn full_gaps_stop_the_pass_before_the_next_gap() {
    let mut ticks = [1, 3, 5, 5, 6].map(tick);
    let mut gaps = [Gap::default(); 1];
    let mut sift = Sift::new();
    let sifted = sift.pass(&mut ticks, &mut gaps);
    assert_eq!((sifted.consumed, sifted.kept, sifted.gaps), (2, 2, 1));
    let sifted = sift.pass(&mut ticks[2..], &mut gaps);
    assert_eq!((sifted.consumed, sifted.kept, sifted.gaps), (3, 2, 1));
    assert_eq!(
        gaps[0],
        Gap {
            from_id: 4,
            to_id: 4
        }
    );
}

#[test]
fn an_old_id_much_later_is_a_restart() {
    let mut later = tick(3);
    later.timestamp_us = tick(9).timestamp_us + 60_000_000;
    let mut sift = Sift::new();
    let sifted = sift.pass(&mut [tick(9), later], &mut []);
    assert_eq!((sifted.repeated, sifted.restarted), (1, false));
    later.timestamp_us += 1;
    let sifted = sift.pass(&mut [later], &mut []);
    assert_eq!(
        (sifted.consumed, sifted.kept, sifted.restarted),
        (0, 0, true)
    );
    assert_eq!(sift.last, tick(9));
    let sifted = Sift::after(9).pass(&mut [later], &mut []);
    assert!(
        !sifted.restarted,
        "a bare position has no time to compare with"
    );
}

#[test]
fn cuts_do_not_matter() {
    let mut random = Random::new(6);
    for _ in 0..300 {
        let mut id = 0;
        let tape: Vec<Tick> = (0..random.below(60))
            .map(|_| {
                id = (id + *random.pick(&[-2, 0, 1, 1, 1, 1, 2, 5])).max(0);
                tick(id)
            })
            .collect();
        let mut whole = tape.clone();
        let mut whole_gaps = vec![Gap::default(); 60];
        let sifted = Sift::new().pass(&mut whole, &mut whole_gaps);
        whole.truncate(sifted.kept);
        whole_gaps.truncate(sifted.gaps);

        let (mut kept, mut gaps, mut repeated) = (Vec::new(), Vec::new(), 0);
        let mut sift = Sift::new();
        let mut rest = tape.as_slice();
        while !rest.is_empty() {
            let mut piece = rest[..rest.len().min(1 + random.below(9))].to_vec();
            let mut room = [Gap::default(); 2];
            let part = sift.pass(&mut piece, &mut room);
            kept.extend_from_slice(&piece[..part.kept]);
            gaps.extend_from_slice(&room[..part.gaps]);
            repeated += part.repeated;
            rest = &rest[part.consumed..];
        }
        assert_eq!((kept, gaps, repeated), (whole, whole_gaps, sifted.repeated));
    }
}
