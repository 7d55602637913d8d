//! Values that a journey begins with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::schedule::arrivals::SplitMix64;

/// In which order journeys get the values of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other; the first again behind the last.
    Next,
    /// Any, by the seed.
    Random,
}

/// A variable with its values.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Never empty.
    values: Vec<Arc<str>>,
    order: Order,
    /// Draws so far, of all threads.
    drawn: AtomicUsize,
}

impl Variable {
    /// A variable with these values.
    pub fn new(name: String, values: Vec<String>, order: Order) -> Variable {
        assert!(!values.is_empty(), "a variable has a value");
        let values = values.into_iter().map(Arc::from).collect();
        Variable { name, values, order, drawn: AtomicUsize::new(0) }
    }

    /// The value for another journey.
    pub fn draw(&self, random: &mut SplitMix64) -> Arc<str> {
        let number = match self.order {
            Order::Next => self.drawn.fetch_add(1, Ordering::Relaxed),
            Order::Random => random.next_u64() as usize,
        };
        Arc::clone(&self.values[number % self.values.len()])
    }
}
