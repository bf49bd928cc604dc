//! The `fratmae` program.
fn main() {}
