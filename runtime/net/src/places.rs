//! A number of places, for requests in progress for example, that threads share.
//!
//! A [`Place`] counts while it lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The places of all that share them.
#[derive(Clone, Debug)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Places {
    /// So many places.
    pub fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// Places that are taken now.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub fn most(&self) -> usize {
        self.most
    }

    /// A place, if one is free.
    pub fn take(&self) -> Option<Place> {
        // Relaxed: the number alone counts.
        let had_room = self.taken.fetch_add(1, Ordering::Relaxed) < self.most;
        let place = Place(Arc::clone(&self.taken));
        had_room.then_some(place)
    }
}

/// One of them.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
