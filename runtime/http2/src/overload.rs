//! What a server does when more is asked of it than it can do.
//!
//! Each question is asked at the first moment at which its answer is known, and each answer is
//! counted with its reason:
//! 1. A connection is accepted or closed by how full the receive buffers are ([`admission`]).
//! 2. A request is taken or turned away by how long it would wait ([`queueing`]), which the thread
//!    learns from the requests before, and by how many are in progress ([`valk_net::Places`]).
//! 3. A request whose response will be large waits until there is room for it ([`large_responses`]).
//! 4. A connection whose client does not read waits for a limited time, and at most so many do
//!    ([`waiting`]).
//!
//! What a client makes the server hold is counted elsewhere ([`crate::account`]), per connection and
//! process; a full account turns away what is beyond a fair share.
//!
//! Turned away means a 503 with `retry-after`, or `REFUSED_STREAM`, which promises that nothing was
//! processed ([`Shed`]).

pub(crate) mod admission;
pub(crate) mod large_responses;
pub(crate) mod queueing;
pub(crate) mod thread_load;
pub(crate) mod waiting;

/// How a request is turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shed {
    /// A response with status 503, `retry-after` and a page.
    #[default]
    Respond,
    /// `RST_STREAM(REFUSED_STREAM)`: cheaper, and clients may send the request again by themselves.
    Refuse,
}

/// How much a request matters when not all can be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Never turned away for the time that it waits: health checks, what others depend on.
    Critical,
    /// Turned away when it would wait longer than the target.
    #[default]
    Normal,
    /// Turned away when it would wait half of the target: prefetching, batches.
    Sheddable,
}
