//! Tests of the decoders through their public face.

mod agreement;
mod csv;
mod frame;
mod frame_random;
mod message;
mod page;
mod sift;
