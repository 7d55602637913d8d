//! Where a connection is between its first byte and its end: a pure transition function.
//!
//! 8 phases, 10 events, 80 cells; `valk --dump-fsm` prints them. An event that a phase does not
//! expect changes nothing. The driver of a connection has no other notion of its phase.

use std::fmt;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])+ $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])+ $variant,)+
        }

        impl $name {
            /// All of them, in the order of the table.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $($name::$variant => $text,)+
                })
            }
        }
    };
}

named! {
    /// A phase of a connection.
    Phase {
        /// Accepted.
        Init = "INIT",
        /// TLS and the preface are on their way.
        Handshaking = "HANDSHAKING",
        /// Serving.
        Established = "ESTABLISHED",
        /// The first GOAWAY is out, and the client has time to acknowledge it.
        GoawaySent = "GOAWAY_SENT",
        /// The client has had that time; streams finish.
        Draining = "DRAINING",
        /// The final GOAWAY is out, and there is time to write it.
        Closing = "CLOSING",
        /// Over.
        Closed = "CLOSED",
        /// Broken.
        Error = "ERROR",
    }
}

named! {
    /// What happens to a connection.
    PhaseEvent {
        /// The handshake begins.
        StartHandshake = "START_HANDSHAKE",
        /// It is done.
        HandshakeComplete = "HANDSHAKE_COMPLETE",
        /// It is not going to be.
        HandshakeFailed = "HANDSHAKE_FAILED",
        /// The server says that it takes no further streams.
        SendGoaway = "SEND_GOAWAY",
        /// The client knows, or has had its time.
        GoawayAcked = "GOAWAY_ACKED",
        /// No stream is left.
        StreamsDrained = "STREAMS_DRAINED",
        /// The server closes.
        Close = "CLOSE",
        /// The socket is closed.
        Closed = "CLOSED",
        /// The connection broke.
        Error = "ERROR",
        /// A timer ended it.
        Timeout = "TIMEOUT",
    }
}

impl Phase {
    /// The phase after an event; `None` when the event is not expected.
    #[must_use]
    pub fn after(self, event: PhaseEvent) -> Option<Phase> {
        use Phase::{Closing, Draining, Established, GoawaySent, Handshaking, Init};
        use PhaseEvent as On;
        let is_up = matches!(self, Handshaking | Established | GoawaySent | Draining);
        match (self, event) {
            (Init, On::StartHandshake) => Some(Handshaking),
            (Init | Handshaking, On::HandshakeComplete) => Some(Established),
            (Handshaking, On::HandshakeFailed) => Some(Phase::Error),
            (Established, On::SendGoaway) => Some(GoawaySent),
            (GoawaySent, On::GoawayAcked) => Some(Draining),
            (GoawaySent | Draining, On::StreamsDrained) => Some(Closing),
            (_, On::Timeout) if is_up => Some(Closing),
            (_, On::Close) if is_up || matches!(self, Init | Phase::Error) => Some(Closing),
            (_, On::Error) if is_up || self == Init => Some(Phase::Error),
            (Closing | Phase::Error, On::Closed) => Some(Phase::Closed),
            _ => None,
        }
    }

    /// Goes on to the phase after an event; false when the event is not expected and nothing
    /// changes.
    pub(crate) fn advance(&mut self, event: PhaseEvent) -> bool {
        let next = self.after(event);
        *self = next.unwrap_or(*self);
        next.is_some()
    }
}

/// A line for each cell of the table: phase, event, and the phase after it, `-` for none.
#[must_use]
pub fn phase_table() -> String {
    let cells =
        Phase::ALL.iter().flat_map(|phase| PhaseEvent::ALL.iter().map(move |on| (phase, on)));
    let line = |(phase, event): (&Phase, &PhaseEvent)| {
        let next = phase.after(*event).map_or("-".to_owned(), |next| next.to_string());
        format!("{phase:<11} {event:<18} {next}\n")
    };
    cells.map(line).collect()
}
