//! Memory that the services of an async system share, and what programs can ask about it:
//! `aio/pool-stats` and `aio/slab-buckets`.
//!
//! One pool exists: the buffers that large request bodies are received in. Of the pools of earlier
//! versions the others have no successor: handles, servers, clients and what belongs to a request
//! are objects of the heap.

use crate::system::{System, system_of};
use std::fmt::Write;
use std::ops::RangeInclusive;
use valk_heap::{BufferPool, PoolBucket, Value};
use valk_lang::builtins::{fail, new_string, wrong_type};
use valk_lang::elements;
use valk_vm::{Arity, NativeFn, Outcome, Vm, equal};

/// Receive buffers of a system unless it is told otherwise. When all are taken, bodies are received
/// without.
pub const RECEIVE_BUFFERS: usize = 128;
/// How many a system may be told to have.
const RECEIVE_BUFFERS_ALLOWED: RangeInclusive<i64> = 2..=1_000_000;
/// What one holds, in bytes: the largest request body unless a server is told otherwise. Together
/// they are 1 GiB of address space, which takes memory only as bodies arrive.
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
type Waiting = Box<dyn Fn() -> Option<u64>>;

/// Whom to ask about the connections of each system: servers live on the event loop's thread.
#[derive(Default)]
struct Backpressure {
    servers: Vec<(System, Waiting)>,
}

/// The pools of one system.
pub struct Pools {
    receive_buffers: BufferPool,
}

impl Pools {
    /// The pools that a configuration list of `aio/start` asks for, or a line about why not.
    pub(crate) fn new(vm: &mut Vm, list: Value) -> Result<Pools, String> {
        let buffers = config(vm, list, ":tcp-buffer-pool-size").and_then(Value::as_integer);
        let buffers = buffers.unwrap_or(RECEIVE_BUFFERS as i64);
        if !RECEIVE_BUFFERS_ALLOWED.contains(&buffers) {
            let problem = "tcp_buffer_pool_size must be between 2 and 1,000,000";
            return Err(format!("AIO config error: {problem}"));
        }
        let receive_buffers =
            BufferPool::new(buffers as usize, RECEIVE_BUFFER_BYTES, RECEIVE_RETAINED_BYTES);
        let receive_buffers = receive_buffers.map_err(|error| format!("[ERROR] aio | {error}"))?;
        Ok(Pools { receive_buffers })
    }

    /// Buffers for what clients send.
    pub fn receive_buffers(&self) -> &BufferPool {
        &self.receive_buffers
    }
}

impl System {
    /// Has `aio/pool-stats` ask `waiting` how many connections of a server of this system are not read
    /// from until their clients have read, as long as it gives a number.
    pub fn ask_waiting(&self, vm: &mut Vm, waiting: impl Fn() -> Option<u64> + 'static) {
        let servers = &mut vm.extension::<Backpressure>().servers;
        servers.retain(|(_, waiting)| waiting().is_some());
        servers.push((self.clone(), Box::new(waiting)));
    }

    fn waiting(&self, vm: &mut Vm) -> u64 {
        let servers = vm.extension::<Backpressure>().servers.iter();
        servers.filter(|(system, _)| system.is(self)).filter_map(|(_, waiting)| waiting()).sum()
    }
}

/// The value of a key in a configuration list `{:key value …}`.
fn config(vm: &mut Vm, list: Value, key: &str) -> Option<Value> {
    let key = vm.heap.intern(key.as_bytes());
    let items = elements(list);
    let pair = items.chunks_exact(2).find(|pair| equal(&vm.heap, pair[0], key));
    pair.map(|pair| pair[1])
}

/// A property list, quoted, of keys and values.
pub(crate) fn plist(vm: &mut Vm, pairs: &[(&str, Value)]) -> Value {
    pairs.iter().rev().fold(Value::NIL, |rest, (key, value)| {
        let rest = vm.heap.cons(*value, rest, true);
        let key = vm.heap.intern(key.as_bytes());
        vm.heap.cons(key, rest, true)
    })
}

/// `{:available n :total n :usage-percent n}`.
fn occupancy(vm: &mut Vm, free: usize, total: usize) -> Value {
    let used = ((total - free) * 100).checked_div(total).unwrap_or(0);
    let [free, total, used] = [free, total, used].map(|number| Value::fixnum(number as i64));
    plist(vm, &[(":available", free), (":total", total), (":usage-percent", used)])
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
    let waiting = system.waiting(vm);
    let has_waiting = vm.heap.intern(if waiting > 0 { b":true" } else { b":false" });
    let waiting = Value::fixnum(waiting as i64);
    let backpressure =
        plist(vm, &[(":connections-waiting", waiting), (":has-waiting", has_waiting)]);
    let arenas = occupancy(vm, 0, 0);
    plist(vm, &[(":tcp-buffers", buffers), (":backpressure", backpressure), (":arenas", arenas)])
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
