//! Waiting for room before a large response is made.

use std::future::poll_fn;

use http::uri::PathAndQuery;
use tokio::time::timeout;

use super::{Exchange, overloaded};
use crate::message::{Reply, Request, Response};

/// How a wait for room has ended.
pub(super) enum Waited {
    /// There is room, or none is needed.
    Room,
    /// Not in time.
    TimedOut(Response),
    /// The client has left.
    Gone,
}

impl Exchange {
    fn target(&self) -> &str {
        self.path.as_ref().map_or("/", PathAndQuery::as_str)
    }

    /// Takes the room for the response that is to be expected; false when there is none now.
    pub(crate) fn has_room(&mut self) -> bool {
        let service = &self.connection.service;
        let Some(bytes) = service.guesses.of(&self.method, self.target()) else { return true };
        self.room = service.room.try_take(bytes);
        self.room.is_some()
    }

    /// Waits for that room.
    pub(super) async fn wait_for_room(&mut self) -> Waited {
        if self.has_room() {
            return Waited::Room;
        }
        let connection = std::rc::Rc::clone(&self.connection);
        let service = &connection.service;
        let bytes = service.guesses.of(&self.method, self.target()).unwrap_or_default();
        let taken = timeout(service.limits.room_timeout, service.room.take(bytes));
        tokio::select! {
            taken = taken => match taken {
                Ok(taken) => {
                    self.room = Some(taken);
                    Waited::Room
                }
                Err(_) => {
                    service.load.response_shed(&*service.handler, &service.counters);
                    Waited::TimedOut(overloaded(&*service.handler))
                }
            },
            _ = poll_fn(|cx| self.respond.poll_reset(cx)) => Waited::Gone,
        }
    }

    /// Calls the handler once there is room for its response, and answers.
    pub(crate) async fn call_with_room(mut self, request: Request) {
        match self.wait_for_room().await {
            Waited::Room => match self.call(request) {
                Reply::Ready(response) => self.send_all(response).await,
                Reply::Pending(reply) => self.wait(reply).await,
            },
            Waited::TimedOut(response) => self.send_all(response).await,
            Waited::Gone => self.cancelled(),
        }
    }

    /// Notes how large a response was.
    pub(super) fn note_size(&self, bytes: usize) {
        let service = &self.connection.service;
        let is_large = bytes > service.limits.send_buffer_bytes;
        service.guesses.note(&self.method, self.target(), bytes, is_large);
    }
}
