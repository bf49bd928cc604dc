//! The allocator of programs that train. It owns when freed memory goes back to the system, and nothing else.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// mimalloc, for a program's `#[global_allocator]`.
///
/// A step takes and frees the same large blocks as the step before it. Here they come out of memory that the process
/// still has; the system's allocator gives them back and has them mapped and cleared again, up to a fifth of a step.
pub use mimalloc::MiMalloc as Allocator;

/// `mi_option_purge_delay` of mimalloc's header, which its bindings leave out.
const PURGE_DELAY: mi_option_t = 15;

/// Never: with a delay, whatever is free when it has passed goes back, also what the next step takes again.
const NEVER: std::ffi::c_long = -1;

/// Makes [`Allocator`] keep freed memory from one step to the next: the process stays as large as its largest step.
///
/// In a program with another allocator nothing changes.
pub fn keep_memory() {
    #[expect(
        unsafe_code,
        reason = "mimalloc's options are set through its C interface"
    )]
    // SAFETY: the call stores a number, and the option exists in both versions that the bindings build.
    unsafe {
        mi_option_set(PURGE_DELAY, NEVER);
    }
}
