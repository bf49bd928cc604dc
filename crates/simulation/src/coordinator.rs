//! A simulated coordinator: the shell around `control`, one command after another, as the real one.

use crate::mutation::Subject;
use crate::store::Record;
use fratmae_control::{Command, Event};
use std::collections::{BTreeMap, VecDeque};

/// One process that leads, or has led.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) fence: u64,
    pub(crate) is_up: bool,
    pub(crate) is_paused: bool,
    /// None until the fence is durable.
    pub(crate) subject: Option<Subject>,
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) todo: VecDeque<Command>,
    /// The record on its way to the store; nothing else is done meanwhile.
    pub(crate) writing: Option<Record>,
    /// Streams by number, and whose they are.
    pub(crate) streams: BTreeMap<u64, usize>,
}

impl Coordinator {
    pub(crate) const fn new(fence: u64) -> Self {
        Self {
            fence,
            is_up: true,
            is_paused: false,
            subject: None,
            inbox: VecDeque::new(),
            todo: VecDeque::new(),
            writing: None,
            streams: BTreeMap::new(),
        }
    }

    /// Whether workers can register.
    pub(crate) const fn is_serving(&self) -> bool {
        self.is_up && self.subject.is_some()
    }
}
