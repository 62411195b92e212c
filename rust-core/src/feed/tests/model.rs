//! Everything at once: random tapes, losses, repetitions, disorder, two connections, lagging pages and tiny capacities.
//! Whatever happens, each lane's bars are those of the tape after its position, offline.

use super::*;

/// What the exchange has: a tape with holes, and how far REST has got.
struct Exchange {
    tape: Vec<Tick>,
    /// Ids that no longer exist for anybody.
    holes: Vec<i64>,
    known: usize,
    published: usize,
}

impl Exchange {
    fn new(random: &mut Random, len: i64) -> Self {
        let mut tape = Vec::new();
        let mut holes = Vec::new();
        let mut id = random.below(50) as i64;
        let end = id + len;
        while id < end {
            if random.chance(60) {
                let missing = 1 + random.below(4) as i64;
                holes.extend(id..id + missing);
                id += missing;
            }
            tape.push(trade(id));
            id += 1;
        }
        Self {
            tape,
            holes,
            known: 0,
            published: 0,
        }
    }

    /// What REST answers now: up to `limit` rows from `from_id` on, never more than it has got.
    fn answer(&self, from_id: i64, limit: usize) -> &[Tick] {
        let known = &self.tape[..self.known];
        let from = known.partition_point(|tick| tick.agg_trade_id < from_id);
        let to = known.len().min(from + limit);
        &known[from..to]
    }
}

/// A connection: bytes on their way.
struct Wire {
    connection: u64,
    bytes: Vec<u8>,
}

/// A sequence's evidence: (expected, next id) of the answers so far.
struct World {
    bench: Bench,
    exchange: Exchange,
    wires: Vec<Wire>,
    lanes: Vec<(u32, u32, Option<i64>)>,
    bars: Vec<LaneBar>,
    evidence: Vec<(u64, i64, i64)>,
    random: Random,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let bar_capacity = 1 + random.below(4) as usize;
        let trade_capacity = random.below(12) as usize;
        let len = 100 + random.below(300) as i64;
        let exchange = Exchange::new(&mut random, len);
        let mut world = Self {
            bench: Bench::with(bar_capacity, trade_capacity),
            exchange,
            wires: Vec::new(),
            lanes: Vec::new(),
            bars: Vec::new(),
            evidence: Vec::new(),
            random,
        };
        let first = world.exchange.tape[0].agg_trade_id;
        for _ in 0..1 + world.random.below(4) {
            world.add_lane(first);
        }
        world.wires.push(Wire {
            connection: world.bench.connection,
            bytes: Vec::new(),
        });
        world
    }

    fn add_lane(&mut self, first: i64) {
        let threshold = [20, 100, 400][self.random.below(3) as usize];
        let position = first - 1 + self.random.below(60) as i64;
        let added = self.bench.lane(threshold, Some(position));
        self.lanes.push((added.lane, threshold, Some(position)));
    }

    /// One random step.
    fn step(&mut self) {
        match self.random.below(12) {
            0..=3 => self.publish(),
            4..=6 => self.deliver(),
            7 => self.exchange.known = self.lag(),
            8 => self.fetch(),
            9 => self.toggle_fetch(),
            10 => self.reconnect(),
            _ => self.read_some_bars(),
        }
        self.look_at_events();
    }

    fn lag(&mut self) -> usize {
        let behind = self.random.below(12) as usize;
        self.exchange
            .published
            .saturating_sub(behind)
            .max(self.exchange.known)
    }

    /// The next trades happen; each connection carries them, or loses, repeats or disorders them.
    fn publish(&mut self) {
        for _ in 0..1 + self.random.below(6) {
            let at = self.exchange.published;
            let Some(tick) = self.exchange.tape.get(at).copied() else {
                return;
            };
            self.exchange.published += 1;
            for wire in &mut self.wires {
                let bytes = text(&event("X", &tick));
                match self.random.below(12) {
                    0 => {}
                    1 => {
                        wire.bytes.extend_from_slice(&bytes);
                        wire.bytes.extend_from_slice(&bytes);
                    }
                    2 if at > 8 => {
                        let old = self.exchange.tape[at - self.random.below(8) as usize];
                        wire.bytes.extend_from_slice(&text(&event("X", &old)));
                        wire.bytes.extend_from_slice(&bytes);
                    }
                    3 => wire.bytes.extend_from_slice(&frame(9, b"p")),
                    _ => wire.bytes.extend_from_slice(&bytes),
                }
            }
        }
    }

    /// Some bytes of one connection arrive.
    fn deliver(&mut self) {
        let which = self.random.below(self.wires.len() as u64) as usize;
        let wire = &mut self.wires[which];
        let len = (self.random.below(700) as usize).min(wire.bytes.len());
        match self.bench.feed.receive(wire.connection, &wire.bytes[..len]) {
            Ok(_) => {
                wire.bytes.drain(..len);
            }
            Err(error) => assert_eq!(error, FeedError::Paused),
        }
    }

    /// A connection is lost, or a second one opened, as in a rotation.
    fn reconnect(&mut self) {
        if self.wires.len() > 1 || self.random.chance(2) {
            let wire = self.wires.remove(0);
            self.bench.feed.disconnect(wire.connection).unwrap();
        }
        self.wires.push(Wire {
            connection: self.bench.feed.connect(),
            bytes: Vec::new(),
        });
    }

    fn sequences(&self) -> Vec<u64> {
        self.bench
            .feed
            .sequences(self.bench.symbol)
            .unwrap()
            .collect()
    }

    fn any_sequence(&mut self) -> u64 {
        let sequences = self.sequences();
        sequences[self.random.below(sequences.len() as u64) as usize]
    }

    fn toggle_fetch(&mut self) {
        let sequence = self.any_sequence();
        let feed = &mut self.bench.feed;
        if self.random.chance(2) {
            feed.begin_fetch(sequence).unwrap();
        } else {
            feed.end_fetch(sequence).unwrap();
        }
    }

    /// REST is asked from a sequence's expected id on, or from somewhere else.
    fn fetch(&mut self) {
        let sequence = self.any_sequence();
        let expected = self.bench.expected(sequence).unwrap();
        let from_id = match self.random.below(4) {
            0 => expected - self.random.below(10) as i64,
            1 => expected + self.random.below(10) as i64,
            _ => expected,
        };
        let limit = 1 + self.random.below(40) as usize;
        let body = page(self.exchange.answer(from_id, limit));
        let page = self
            .bench
            .feed
            .backfill(self.bench.symbol, from_id, body.as_bytes())
            .unwrap();
        if !page.is_complete {
            assert!(self.bench.feed.peek_bar().is_some());
        }
    }

    fn read_some_bars(&mut self) {
        for _ in 0..self.random.below(4) {
            self.bars.extend(self.bench.feed.pop_bar());
        }
        self.bench.feed.resume();
    }

    /// Two pieces of evidence about the same ids prove that they are missing; here both times are far apart.
    fn look_at_events(&mut self) {
        while let Some(event) = self.bench.feed.pop_event() {
            match event {
                Event::IdSkipped {
                    sequence,
                    expected,
                    next_id,
                } => self.judge_evidence(sequence, expected, next_id),
                Event::TradesDiffer { .. }
                | Event::IdsRestarted { .. }
                | Event::FrameRejected { .. }
                | Event::TradeRejected { .. }
                | Event::ConnectionFailed { .. }
                | Event::UnitMismatch { .. } => panic!("{event:?}"),
                _ => {}
            }
        }
    }

    fn judge_evidence(&mut self, sequence: u64, expected: i64, next_id: i64) {
        // Nothing but a true hole is ever skipped.
        for id in expected..next_id {
            let is_taken = self.bench.expected(sequence).unwrap() > id;
            assert!(is_taken || self.exchange.holes.contains(&id), "{id}");
        }
        let same = (sequence, expected, next_id);
        if self.evidence.contains(&same) {
            let to_id = next_id - 1;
            while self.bench.feed.declare_missing(sequence, to_id) == Ok(false) {
                self.bars.extend(self.bench.feed.pop_bar());
            }
        } else {
            self.evidence.push(same);
        }
    }

    /// The network calms down: everything is fetched to the end.
    fn finish(&mut self) {
        self.exchange.published = self.exchange.tape.len();
        self.exchange.known = self.exchange.tape.len();
        let last = self.exchange.tape.last().unwrap().agg_trade_id;
        for _ in 0..100_000 {
            self.bars.extend(self.bench.feed.pop_bar());
            self.bench.feed.resume();
            self.look_at_events();
            let behind = self
                .sequences()
                .into_iter()
                .filter_map(|sequence| self.bench.expected(sequence))
                .find(|&expected| expected <= last);
            match behind {
                Some(expected) => {
                    let body = page(self.exchange.answer(expected, 50));
                    self.bench.page(expected, &body);
                }
                None if !self.bench.feed.is_paused() => return,
                None => {}
            }
        }
        panic!("never at the end");
    }

    fn compare(mut self) {
        self.bars
            .extend(core::iter::from_fn(|| self.bench.feed.pop_bar()));
        let tape = &self.exchange.tape;
        for (lane, threshold, position) in &self.lanes {
            let of_lane = self.bars.iter().filter(|closed| closed.lane == *lane);
            let bars: Vec<Bar> = of_lane.map(|closed| closed.bar).collect();
            let after = tape
                .iter()
                .filter(|tick| Some(tick.agg_trade_id) > *position);
            assert_eq!(bars, offline(*threshold, *position, after.copied()));
        }
        assert_eq!(self.sequences().len(), 1);
        assert_eq!(self.bench.feed.totals().trades_held, 0);
    }
}

/// How many worlds are tried: `RB_MODEL_WORLDS=100000 cargo test --release model` looks for longer.
fn worlds(usual: u64) -> u64 {
    let asked = std::env::var("RB_MODEL_WORLDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn whatever_happens_the_bars_are_those_of_the_tape() {
    for seed in 1..=worlds(400) {
        let mut world = World::new(seed);
        let steps = 100 + world.random.below(400);
        for _ in 0..steps {
            world.step();
        }
        world.finish();
        world.compare();
    }
}

#[test]
fn lanes_that_come_later_get_their_bars_too() {
    for seed in 1..=worlds(80) {
        let mut world = World::new(seed);
        for step in 0..300 {
            world.step();
            if step % 60 == 30 {
                let first = world.exchange.tape[0].agg_trade_id;
                world.add_lane(first);
            }
        }
        world.finish();
        world.compare();
    }
}
