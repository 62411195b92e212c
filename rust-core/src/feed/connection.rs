//! One websocket connection: its decoder, its unread bytes, and what it may tell.

use super::event::{Allowance, Event, Refusal, excerpt};
use super::intake::{Core, Offered};
use super::values::ConnectionInfo;
use crate::decode::{
    FrameDecoder, Message, ServerMessage, TradeEvent, quick_message, read_message,
};
use crate::sequence::UnitTick;

#[derive(Debug)]
pub(super) struct Connection {
    decoder: FrameDecoder,
    pub(super) state: State,
    /// What is left of the one read that the full bar queue has cut short.
    rest: Vec<u8>,
    rest_from: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) id: u64,
    pub(super) info: ConnectionInfo,
    /// A trade that waits for room.
    waiting: Option<(u32, UnitTick)>,
    /// The symbol of the last trade: the next one is likely of the same.
    symbol: u32,
    ping_ticket: Option<u64>,
    reject_ticket: Option<u64>,
    replies: Allowance,
    pub(super) replies_dropped: u64,
    shutdown_told: bool,
    mismatch_told: bool,
}

impl Connection {
    pub(super) fn new(id: u64, max_message: usize) -> Self {
        Self {
            decoder: FrameDecoder::new(max_message),
            state: State {
                id,
                info: ConnectionInfo::default(),
                waiting: None,
                symbol: 0,
                ping_ticket: None,
                reject_ticket: None,
                replies: Allowance::default(),
                replies_dropped: 0,
                shutdown_told: false,
                mismatch_told: false,
            },
            rest: Vec::new(),
            rest_from: 0,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.state.waiting.is_some()
    }

    pub(super) fn info(&self) -> ConnectionInfo {
        ConnectionInfo {
            unread: self.rest.len() - self.rest_from,
            is_paused: self.is_paused(),
            ..self.state.info
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.rest.capacity() + self.decoder.buffered()
    }

    /// Takes one read; what there is no room for stays here.
    pub(super) fn receive(&mut self, core: &mut Core, bytes: &[u8]) {
        self.state.info.bytes += bytes.len() as u64;
        let used = run(&mut self.decoder, &mut self.state, core, bytes);
        if self.is_paused() {
            self.rest = bytes.get(used..).unwrap_or_default().to_vec();
            self.rest_from = 0;
        }
    }

    /// Goes on where the full bar queue stopped.
    pub(super) fn resume(&mut self, core: &mut Core) {
        let Some((symbol, live)) = self.state.waiting.take() else {
            return;
        };
        self.state.offer(core, symbol, live, b"");
        if self.is_paused() {
            return;
        }
        let bytes = core::mem::take(&mut self.rest);
        let from = core::mem::take(&mut self.rest_from);
        let unread = bytes.get(from..).unwrap_or_default();
        let used = run(&mut self.decoder, &mut self.state, core, unread);
        if self.is_paused() {
            self.rest = bytes;
            self.rest_from = from + used;
        }
    }
}

/// Handles message after message until the bytes end or a trade has to wait; returns how many bytes are done with.
#[inline]
fn run(decoder: &mut FrameDecoder, state: &mut State, core: &mut Core, bytes: &[u8]) -> usize {
    let mut used = 0;
    while used < bytes.len() && !state.info.is_closed {
        let rest = bytes.get(used..).unwrap_or_default();
        let (taken, message) = decoder.next(rest);
        used += taken;
        match message {
            None => {}
            Some(Ok(Message::Text(text))) => {
                state.info.messages += 1;
                state.read_text(core, text);
                if state.waiting.is_some() {
                    return used;
                }
            }
            Some(Ok(message)) => state.read_other(core, message),
            Some(Err(error)) => {
                state.info.is_closed = true;
                core.events.push(Event::ConnectionFailed {
                    connection: state.id,
                    error,
                });
            }
        }
    }
    bytes.len().min(used)
}

impl State {
    #[inline(always)]
    fn read_text(&mut self, core: &mut Core, text: &[u8]) {
        match quick_message(text) {
            Some(event) => self.read_trade(core, &event, text),
            None => self.read_any_text(core, text),
        }
    }

    fn read_any_text(&mut self, core: &mut Core, text: &[u8]) {
        match read_message(text) {
            ServerMessage::Trade(event) => self.read_trade(core, &event, text),
            ServerMessage::Other => {}
            ServerMessage::Rejected(reason) => self.reject(core, Refusal::Text(reason), text),
            ServerMessage::Shutdown => {
                if !core::mem::replace(&mut self.shutdown_told, true) {
                    core.events.push(Event::ServerShutdown {
                        connection: self.id,
                    });
                }
            }
            ServerMessage::Reply { id, error } => {
                if self.replies.has_room(&core.events) {
                    let ticket = core.events.push(Event::Reply {
                        connection: self.id,
                        id,
                        error: error.map(|error| (error.code, excerpt(&error.message))),
                    });
                    self.replies.use_one(ticket);
                } else {
                    self.replies_dropped += 1;
                }
            }
        }
    }

    #[inline]
    fn read_trade(&mut self, core: &mut Core, event: &TradeEvent<'_>, text: &[u8]) {
        let name: &[u8] = &event.symbol;
        let is_same = core
            .symbols
            .get(self.symbol as usize)
            .is_some_and(|symbol| *symbol.name == *name);
        if !is_same {
            match core.names.get(name) {
                None => return self.reject(core, Refusal::UnknownSymbol, text),
                Some(symbol) => self.symbol = symbol,
            }
        }
        self.info.trades += 1;
        self.info.last_event_time_us = event.event_time_us;
        let live = UnitTick {
            tick: event.tick,
            unit: event.unit,
        };
        self.offer(core, self.symbol, live, text);
    }

    #[inline]
    fn offer(&mut self, core: &mut Core, symbol: u32, live: UnitTick, text: &[u8]) {
        match core.offer(symbol, &live) {
            Offered::Taken => self.info.taken += 1,
            Offered::NotNow => {}
            Offered::NoRoom => self.waiting = Some((symbol, live)),
            Offered::WrongUnit => {
                self.count_rejected(core, symbol);
                if !core::mem::replace(&mut self.mismatch_told, true) {
                    core.events.push(Event::UnitMismatch {
                        connection: self.id,
                        symbol,
                    });
                }
            }
            Offered::Refused(reason) => {
                self.reject(core, reason, text);
                if let Some(symbol) = core.symbols.get_mut(symbol as usize) {
                    symbol.info.refused += 1;
                }
            }
        }
    }

    fn count_rejected(&mut self, core: &mut Core, symbol: u32) {
        self.info.rejected += 1;
        if let Some(symbol) = core.symbols.get_mut(symbol as usize) {
            symbol.info.refused += 1;
        }
    }

    #[cold]
    fn reject(&mut self, core: &mut Core, reason: Refusal, text: &[u8]) {
        self.info.rejected += 1;
        match core.events.find(self.reject_ticket) {
            Some(Event::FrameRejected { count, .. }) => *count += 1,
            _ => {
                self.reject_ticket = Some(core.events.push(Event::FrameRejected {
                    connection: self.id,
                    reason,
                    count: 1,
                    text: excerpt(text),
                }));
            }
        }
    }

    #[cold]
    fn read_other(&mut self, core: &mut Core, message: Message<'_>) {
        self.info.messages += 1;
        match message {
            Message::Text(_) | Message::Pong(_) => {}
            Message::Binary(bytes) => self.reject(core, Refusal::Binary, bytes),
            Message::Ping(payload) => self.read_ping(core, payload),
            Message::Close { code, reason } => {
                self.info.is_closed = true;
                core.events.push(Event::Close {
                    connection: self.id,
                    code,
                    reason: excerpt(reason.as_bytes()),
                });
            }
        }
    }

    fn read_ping(&mut self, core: &mut Core, newest: &[u8]) {
        self.info.pings += 1;
        match core.events.find(self.ping_ticket) {
            Some(Event::Ping { payload, .. }) => {
                payload.clear();
                payload.extend_from_slice(newest);
            }
            _ => {
                self.ping_ticket = Some(core.events.push(Event::Ping {
                    connection: self.id,
                    payload: newest.to_vec(),
                }));
            }
        }
    }
}
