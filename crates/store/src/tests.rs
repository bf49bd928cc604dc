//! Tests against real servers and files, in the place of stores that are sick or far away.

mod reasons;
pub(crate) mod served;
