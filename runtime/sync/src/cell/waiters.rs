//! The waiters of a cell, in order of arrival: none, one without an allocation, or a list with gaps.
//!
//! 1. A token names a place and the arrival that took it, so one that was used never reaches a
//!    later waiter.
//! 2. When fewer than half of many places are taken the list is packed, so the cost of leaving is
//!    constant on average, and a list that was long once does not stay so.
//!
//! Does not know what a waiter is.

use std::collections::VecDeque;

/// Names a registered waiter of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

/// Registered waiters, each with the number of its arrival.
#[derive(Debug)]
pub struct Waiters<W> {
    places: Places<W>,
}

#[derive(Debug)]
enum Places<W> {
    /// Nothing, and the number of the next arrival.
    Empty(u64),
    /// One waiter, by far the most frequent case, without an allocation.
    One(u64, W),
    /// Several.
    Many(Box<Queue<W>>),
}

/// Places in order of arrival. Numbers rise from the front to the back.
#[derive(Debug)]
struct Queue<W> {
    next: u64,
    live: usize,
    places: VecDeque<(u64, Option<W>)>,
}

/// A queue of fewer places is not packed.
const PLACES_PACKED_MIN: usize = 32;

impl<W> Queue<W> {
    fn position(&self, number: u64) -> Option<usize> {
        let position = self.places.partition_point(|(known, _)| *known < number);
        self.places.get(position).is_some_and(|(known, _)| *known == number).then_some(position)
    }

    fn add(&mut self, waiter: W) -> u64 {
        let number = self.next;
        self.next += 1;
        self.live += 1;
        self.places.push_back((number, Some(waiter)));
        number
    }

    fn remove(&mut self, number: u64) -> Option<W> {
        let position = self.position(number)?;
        let waiter = self.places[position].1.take()?;
        self.live -= 1;
        if self.places.len() >= PLACES_PACKED_MIN && self.live < self.places.len() / 2 {
            self.places.retain(|(_, waiter)| waiter.is_some());
            self.places.shrink_to(self.live * 2);
        }
        Some(waiter)
    }
}

impl<W> Waiters<W> {
    pub(super) const fn new() -> Self {
        Self { places: Places::Empty(0) }
    }

    /// Number of waiters.
    pub fn len(&self) -> usize {
        match &self.places {
            Places::Empty(_) => 0,
            Places::One(..) => 1,
            Places::Many(queue) => queue.live,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn add(&mut self, waiter: W) -> Token {
        match &mut self.places {
            Places::Empty(next) => {
                let number = *next;
                self.places = Places::One(number, waiter);
                Token(number)
            }
            Places::Many(queue) => Token(queue.add(waiter)),
            Places::One(..) => {
                let Places::One(number, first) =
                    std::mem::replace(&mut self.places, Places::Empty(0))
                else {
                    unreachable!("matched above")
                };
                let places = VecDeque::from([(number, Some(first))]);
                let mut queue = Box::new(Queue { next: number + 1, live: 1, places });
                let token = Token(queue.add(waiter));
                self.places = Places::Many(queue);
                token
            }
        }
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<W> {
        match &mut self.places {
            Places::One(number, _) if *number == token.0 => {
                match std::mem::replace(&mut self.places, Places::Empty(token.0 + 1)) {
                    Places::One(_, waiter) => Some(waiter),
                    Places::Empty(_) | Places::Many(_) => None,
                }
            }
            Places::Empty(_) | Places::One(..) => None,
            Places::Many(queue) => {
                let waiter = queue.remove(token.0);
                if queue.live == 0 {
                    self.places = Places::Empty(queue.next);
                }
                waiter
            }
        }
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut W> {
        match &mut self.places {
            Places::One(number, waiter) if *number == token.0 => Some(waiter),
            Places::Empty(_) | Places::One(..) => None,
            Places::Many(queue) => {
                let position = queue.position(token.0)?;
                queue.places[position].1.as_mut()
            }
        }
    }

    /// Bytes that the list takes beside the cell.
    pub fn bytes(&self) -> usize {
        match &self.places {
            Places::Empty(_) | Places::One(..) => 0,
            Places::Many(queue) => {
                size_of::<Queue<W>>() + queue.places.capacity() * size_of::<(u64, Option<W>)>()
            }
        }
    }

    /// The waiters in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &W> {
        let (one, many) = match &self.places {
            Places::Empty(_) => (None, None),
            Places::One(_, waiter) => (Some(waiter), None),
            Places::Many(queue) => (None, Some(queue.places.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten().filter_map(|(_, waiter)| waiter.as_ref()))
    }

    /// The waiters in order of arrival, to be changed in place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut W> {
        let (one, many) = match &mut self.places {
            Places::Empty(_) => (None, None),
            Places::One(_, waiter) => (Some(waiter), None),
            Places::Many(queue) => (None, Some(queue.places.iter_mut())),
        };
        one.into_iter().chain(many.into_iter().flatten().filter_map(|(_, waiter)| waiter.as_mut()))
    }
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> IntoIterator for Waiters<W> {
    type Item = W;
    type IntoIter = IntoIter<W>;

    fn into_iter(self) -> IntoIter<W> {
        match self.places {
            Places::Empty(_) => IntoIter { one: None, many: VecDeque::new() },
            Places::One(_, waiter) => IntoIter { one: Some(waiter), many: VecDeque::new() },
            Places::Many(queue) => IntoIter { one: None, many: queue.places },
        }
    }
}

/// Waiters of an ended operation, in order of arrival.
#[derive(Debug)]
pub struct IntoIter<W> {
    one: Option<W>,
    many: VecDeque<(u64, Option<W>)>,
}

impl<W> Iterator for IntoIter<W> {
    type Item = W;

    fn next(&mut self) -> Option<W> {
        if let Some(waiter) = self.one.take() {
            return Some(waiter);
        }
        loop {
            if let (_, Some(waiter)) = self.many.pop_front()? {
                return Some(waiter);
            }
        }
    }
}
