//! Range bars from trades: fixed-point, deterministic, no I/O, no threads, no clock.
//!
//! The rule and its units stand in [`processor`]; [`ffi`] is the C boundary and the only place with unsafe code.

pub mod bar;
pub mod columns;
pub mod decode;
pub mod feed;
pub mod ffi;
pub mod price;
pub mod processor;
pub mod sequence;
pub mod snapshot;
pub mod table;
pub mod tick;
