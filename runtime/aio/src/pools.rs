//! Memory that the services of an async system share, and what programs can ask about it:
//! `aio/pool-stats` and `aio/slab-buckets`.
//!
//! One pool exists: the buffers that large request bodies are received in; and, if a system limits
//! them, the places of requests in progress, which are called arenas as in earlier versions. The other
//! pools of those have no successor: handles, servers, clients and what belongs to a request are
//! objects of the heap.

use crate::config::SystemConfig;
use crate::system::{System, system_of};
use std::fmt::Write;
use std::time::Duration;
use valk_heap::{BufferPool, PoolBucket, Value};
use valk_lang::builtins::{fail, new_string, wrong_type};
use valk_lang::property_list;
use valk_net::Places;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// What a receive buffer holds, in bytes: the largest request body unless a server is told
/// otherwise. It takes memory only as a body arrives. When all are taken, bodies are received
/// without.
pub const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// Memory that free receive buffers keep for the next bodies, in bytes.
pub const RECEIVE_RETAINED_BYTES: usize = 8 << 20;
/// Most buckets that `aio/slab-buckets` counts in.
const BUCKETS_MAX: i64 = 4096;

/// The pool of receive buffers, as diagnostics call it.
pub(crate) const RECEIVE_POOL: &str = "tcp_buffers";
/// Pools of earlier versions without a successor.
pub(crate) const HEAP_POOLS: [&str; 4] =
    ["handles", "stream_arenas", "http_servers", "http_clients"];
/// Pools that were gone before.
const VALUE_POOLS: [&str; 2] = ["lval", "lenv"];

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] =
    &[("aio/pool-stats", Arity::Any, pool_stats), ("aio/slab-buckets", Arity::Any, slab_buckets)];

/// Tells how many connections of a server wait; nothing when the server has ended.
pub(crate) type Waiting = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// The pools of one system.
pub struct Pools {
    receive_buffers: BufferPool,
    /// Those of requests in progress, if there is a limit.
    requests: Option<Places>,
    waiting: Backpressure,
}

/// How connections wait for their clients to read, unless a server is told otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Backpressure {
    /// How many may wait.
    pub connections_max: usize,
    /// How long each may.
    pub timeout: Duration,
}

impl Pools {
    /// The pools of a system, or the text that says why the operating system refuses them.
    pub(crate) fn new(config: &SystemConfig) -> Result<Pools, String> {
        let (buffers, bytes) = (config.receive_buffers, RECEIVE_BUFFER_BYTES);
        let receive_buffers = BufferPool::new(buffers, bytes, RECEIVE_RETAINED_BYTES);
        let receive_buffers = receive_buffers.map_err(|error| error.to_string())?;
        let requests = config.limits_requests.then(|| Places::new(config.requests_max));
        let waiting = Backpressure {
            connections_max: config.backpressure_connections_max,
            timeout: Duration::from_millis(config.backpressure_timeout_ms),
        };
        Ok(Pools { receive_buffers, requests, waiting })
    }

    /// The places of the requests in progress of all servers of the system, if it limits them.
    pub fn requests(&self) -> Option<&Places> {
        self.requests.as_ref()
    }

    /// How connections of its servers wait.
    pub fn backpressure(&self) -> Backpressure {
        self.waiting
    }

    /// Buffers for what clients send.
    pub fn receive_buffers(&self) -> &BufferPool {
        &self.receive_buffers
    }
}

impl System {
    /// Has `aio/pool-stats` ask `waiting` how many connections of a server of this system are not read
    /// from until their clients have read, as long as it gives a number.
    pub fn ask_waiting(&self, waiting: impl Fn() -> Option<u64> + Send + Sync + 'static) {
        let mut servers = self.servers_that_wait();
        servers.retain(|waiting| waiting().is_some());
        servers.push(Box::new(waiting));
    }

    fn waiting(&self) -> u64 {
        self.servers_that_wait().iter().filter_map(|waiting| waiting()).sum()
    }
}

/// `{:available n :total n :usage-percent n}`.
fn occupancy(vm: &mut Vm, free: usize, total: usize) -> Value {
    let used = ((total - free) * 100).checked_div(total).unwrap_or(0);
    let [free, total, used] = [free, total, used].map(|number| Value::fixnum(number as i64));
    property_list::build(vm, &[(":available", free), (":total", total), (":usage-percent", used)])
}

fn pool_stats(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [system] = arguments else {
        return fail(vm, "aio/pool-stats: expected 1 argument (aio system)");
    };
    let Some(system) = system_of(vm, *system) else {
        return wrong_type(vm, *system, "Reference");
    };
    let pools = system.pools();
    let buffers = pools.receive_buffers.statistics().buffers;
    let buffers = occupancy(vm, buffers.free(), buffers.slots);
    let waiting = system.waiting();
    let has_waiting = vm.heap.intern(if waiting > 0 { b":true" } else { b":false" });
    let waiting = Value::fixnum(waiting as i64);
    let backpressure = property_list::build(
        vm,
        &[(":connections-waiting", waiting), (":has-waiting", has_waiting)],
    );
    let requests = pools.requests.as_ref().map(|places| {
        // For a moment more count than there are, of which some are turned away.
        (places.most().saturating_sub(places.taken()), places.most())
    });
    let (free, places) = requests.unwrap_or_default();
    let arenas = occupancy(vm, free, places);
    property_list::build(
        vm,
        &[(":tcp-buffers", buffers), (":backpressure", backpressure), (":arenas", arenas)],
    )
    .into()
}

/// The arguments of `aio/slab-buckets` after the system, or what is wrong with them.
fn range(vm: &Vm, arguments: &[Value]) -> Result<(usize, usize, usize), &'static str> {
    const TYPES: &str = "invalid argument types";
    let name = arguments[0].as_bytes(&vm.heap).ok_or(TYPES)?;
    let mut numbers = [0; 3];
    for (number, value) in numbers.iter_mut().zip(&arguments[1..]) {
        *number = value.as_integer().ok_or(TYPES)?;
    }
    let [start, end, buckets] = numbers;
    if !(1..=BUCKETS_MAX).contains(&buckets) {
        return Err("num-buckets must be 1-4096");
    }
    let is = |known: &str| known.as_bytes() == name;
    if VALUE_POOLS.into_iter().any(is) {
        return Err("lval/lenv slabs no longer exist in heap");
    }
    if HEAP_POOLS.into_iter().any(is) {
        return Err("slab has no maintained bitmap");
    }
    if !is(RECEIVE_POOL) {
        return Err("unknown slab name");
    }
    // What lies before the first slot is no slot.
    Ok((start.max(0) as usize, end.max(0) as usize, buckets as usize))
}

/// `{"buckets":[{"u":used,"f":free},…],"total":slots}`.
fn buckets_json(buckets: &[PoolBucket], total: usize) -> String {
    let mut text = String::from("{\"buckets\":[");
    for (number, PoolBucket { used, free }) in buckets.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        let _ = write!(text, "{comma}{{\"u\":{used},\"f\":{free}}}");
    }
    let _ = write!(text, "],\"total\":{total}}}");
    text
}

fn slab_buckets(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let ([system, rest @ ..], 5) = (arguments, arguments.len()) else {
        return fail(vm, "aio/slab-buckets: expected (sys slab-name start end num-buckets)");
    };
    let Some(system) = system_of(vm, *system) else {
        return fail(vm, "aio/slab-buckets: invalid argument types");
    };
    let (start, end, count) = match range(vm, rest) {
        Ok(range) => range,
        Err(problem) => return fail(vm, &format!("aio/slab-buckets: {problem}")),
    };
    let usage = system.pools().receive_buffers.usage();
    let text = buckets_json(&usage.buckets(start, end, count), usage.slots());
    new_string(vm, text.as_bytes())
}
