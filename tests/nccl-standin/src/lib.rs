//! A stand-in for `libnccl.so.2` and `libcuda.so.1` on machines without a GPU, for tests alone.
//!
//! It exports the functions that `collective` calls, under their names. The device's memory is the host's; a stream is
//! a thread that works off a queue; ranks are processes on one machine that speak over loopback, and the unique id
//! carries the address of rank 0. As the real library made without blocking, it answers that a call is in progress and
//! works on threads of its own, never ends a call whose peer is gone, and is ended by an abort.
//! What goes wrong is told in the variable `FRATMAE_STANDIN` (`faults.rs`).
//!
//! Each function's contract is the real library's. It proves that the calls are made in an order that these rules allow, and nothing about a device.

#![expect(
    unsafe_code,
    reason = "it is a C library: its functions take and give pointers"
)]

mod communicator;
mod driver;
mod faults;
mod meeting;
mod nccl;
mod stream;
mod survey;
mod transfer;
