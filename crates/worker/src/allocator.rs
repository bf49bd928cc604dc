//! The allocator of programs that train. It owns when freed memory goes back to the system, and nothing else.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// mimalloc, for a program's `#[global_allocator]`.
///
/// A step takes and frees the same large blocks as the step before it. Here they come out of memory that the process
/// still has; the system's allocator gives them back and has them mapped and cleared again, up to a fifth of a step.
pub use mimalloc::MiMalloc as Allocator;

/// `mi_option_purge_delay` of mimalloc's header, which its bindings leave out.
const PURGE_DELAY: mi_option_t = 15;

/// Milliseconds that freed memory is kept for; mimalloc waits ten times as long for large blocks.
///
/// Longer than any step, so that no step waits for pages, and not for ever: a worker that waits gives memory back.
const KEPT_MS: std::ffi::c_long = 6_000;

/// Makes [`Allocator`] keep freed memory from one step to the next; without it as the allocator, nothing changes.
pub fn keep_memory() {
    #[expect(
        unsafe_code,
        reason = "mimalloc's options are set through its C interface"
    )]
    // SAFETY: the call stores a number, and the option exists in both versions that the bindings build.
    unsafe {
        mi_option_set(PURGE_DELAY, KEPT_MS);
    }
}
