'use strict';
// The state is that of /debug/metrics/state; events of /debug/diagnostics/memory change it.
const SAMPLES = 600, STALE_MS = 2000, ATTEMPTS = 10; // then it only asks
const at = id => document.getElementById(id);
let state = null, source = null, attempts = 0, last = 0, paused = false;
const charts = {};

const number = n => n >= 1e9 ? (n / 1e9).toFixed(2) + ' G' : n >= 1e6 ? (n / 1e6).toFixed(2) + ' M'
  : n >= 1e4 ? (n / 1e3).toFixed(1) + ' k' : String(Math.round(n * 100) / 100);
const bytes = n => number(n) + 'B';

function chart(place, name, unit) {
  const figure = document.createElement('figure');
  figure.innerHTML = '<figcaption><span></span><b></b></figcaption>' +
    '<svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img"><path/></svg>';
  figure.querySelector('span').textContent = name;
  at(place).append(figure);
  charts[name] = { figure, unit, values: [] };
}
function sample(name, value) {
  const c = charts[name];
  c.values.push(value);
  if (c.values.length > SAMPLES) c.values.shift();
  if (paused) return;
  const most = Math.max(...c.values, 1e-9), shown = c.unit(value);
  const points = c.values.map((v, i) => `${i * 600 / SAMPLES},${98 - 96 * v / most}`);
  c.figure.querySelector('path').setAttribute('d', 'M' + points.join('L'));
  c.figure.querySelector('b').textContent = shown;
  c.figure.querySelector('svg').setAttribute('aria-label', `${c.figure.querySelector('span').textContent}: ${shown}`);
}

const key = (name, labels) => name + JSON.stringify(Object.entries(labels || {}).sort());
function find(kind, name, labels) {
  const wanted = key(name, labels);
  return state.metrics.modular[kind].find(m => key(m.name, m.labels) === wanted);
}
function sum(kind, name, labels) {
  const has = m => Object.entries(labels || {}).every(([k, v]) => (m.labels || {})[k] === v);
  return state.metrics.modular[kind].filter(m => m.name === name && has(m))
    .reduce((total, m) => total + m.value, 0);
}
function merge(delta) {
  for (const d of delta.metrics.modular.deltas) {
    const kind = { c: 'counters', g: 'gauges', h: 'histograms' }[d.t];
    let m = find(kind, d.n, d.l);
    if (!m) {
      m = { name: d.n, labels: d.l, value: 0, count: 0, sum_us: 0,
        buckets: (d.b || []).map(b => ({ le: b.le, count: 0 })) };
      state.metrics.modular[kind].push(m);
    }
    if (d.t === 'c') m.value += d.d;
    if (d.t === 'g') m.value = d.v;
    if (d.t === 'h') {
      m.count += d.c; m.sum_us += d.s;
      d.b.forEach((b, i) => { m.buckets[i].count += b.d; });
    }
  }
  Object.assign(state.metrics.vm, delta.metrics.vm);
  state.memory.gc.heap_used_bytes = delta.memory.gc;
  state.memory.process.rss = delta.memory.rss;
}

let before = null;
function advance() {
  const now = { ms: performance.now(), requests: sum('counters', 'aio_requests_total'),
    errors: sum('counters', 'aio_requests_errors'), pause: state.metrics.vm.gc.pause_us_total };
  if (before) {
    const seconds = Math.max((now.ms - before.ms) / 1000, 1e-3), done = now.requests - before.requests;
    sample('requests per second', done / seconds);
    sample('errors, % of requests', done ? 100 * (now.errors - before.errors) / done : 0);
    sample('collector pauses, ms per second', (now.pause - before.pause) / 1000 / seconds);
  }
  before = now;
  sample('requests in progress', sum('gauges', 'aio_requests_active'));
  sample('connections', sum('gauges', 'aio_connections_active'));
  sample('heap in use', state.memory.gc.heap_used_bytes);
  sample('resident memory', state.memory.process.rss);
  if (!paused) draw();
}
function row(table, cells) {
  const tr = table.insertRow();
  for (const cell of cells) tr.insertCell().textContent = cell;
}
function draw() {
  const servers = at('servers'), series = at('series'), text = at('search').value;
  servers.replaceChildren(); series.replaceChildren();
  for (const m of state.metrics.modular.counters) {
    if (m.name === 'http_requests_total' && !m.labels.status) {
      const of = status => (find('counters', m.name, { ...m.labels, status }) || { value: 0 }).value;
      row(servers, [`${m.labels.protocol}://${m.labels.server}:${m.labels.port}`,
        `${of('4xx')} refused, ${of('5xx')} failed`, number(m.value)]);
    }
  }
  for (const kind of ['counters', 'gauges', 'histograms']) {
    for (const m of state.metrics.modular[kind]) {
      if (!m.name.includes(text)) continue;
      const labels = Object.entries(m.labels || {}).map(([k, v]) => `${k}=${v}`).join(' ');
      row(series, [m.name, labels, number(kind === 'histograms' ? m.count : m.value)]);
    }
  }
  const pools = at('pools');
  pools.replaceChildren();
  for (const slab of state.memory.slabs.filter(slab => slab.total > 0)) {
    const label = document.createElement('label'), meter = document.createElement('meter');
    label.textContent = `${slab.name}: ${slab.used} of ${slab.total}, at most ${slab.hwm}, refused ${slab.overflow}`;
    meter.max = slab.total; meter.value = slab.used; meter.high = slab.total * .8;
    label.append(meter);
    pools.append(label);
  }
}

function show(word, live) {
  at('state').textContent = word;
  at('state').className = live ? 'live' : 'lost';
}
function connect() {
  if (source) source.close();
  source = new EventSource('/debug/diagnostics/memory');
  last = performance.now();
  source.addEventListener('diagnostics', event => {
    state = JSON.parse(event.data); before = null; attempts = 0; last = performance.now();
    show('live', true); advance();
  });
  source.addEventListener('diagnostics-delta', event => {
    last = performance.now();
    if (!state) return;
    merge(JSON.parse(event.data)); advance();
  });
  source.onerror = () => { source.close(); again(); };
}
let waiting = null;
// While there are no events, the state is asked for.
async function poll() {
  try {
    const answer = await fetch('/debug/metrics/state');
    if (!answer.ok) throw new Error(answer.status);
    state = await answer.json();
    show('asking every second', true); advance();
  } catch (problem) {
    show('lost: ' + problem.message, false);
  }
}
function again() {
  poll();
  if (waiting || attempts >= ATTEMPTS) return;
  const pause = attempts === 0 ? 0 : Math.min(1000 * 2 ** (attempts - 1), 30000);
  attempts += 1;
  waiting = setTimeout(() => { waiting = null; connect(); }, pause);
}
setInterval(() => { if (performance.now() - last > STALE_MS) again(); }, 1000);
addEventListener('pagehide', () => source && source.close());
function toggle() { paused = !paused; at('pause').textContent = paused ? 'go on' : 'pause'; }
at('pause').addEventListener('click', toggle);
addEventListener('keydown', event => {
  if (event.target.tagName === 'INPUT' || event.target.tagName === 'BUTTON') return;
  if (event.key === ' ') { event.preventDefault(); toggle(); }
});
at('search').addEventListener('input', () => state && draw());

chart('requests', 'requests per second', number);
chart('requests', 'errors, % of requests', number);
chart('requests', 'requests in progress', number);
chart('requests', 'connections', number);
chart('memory', 'heap in use', bytes);
chart('memory', 'resident memory', bytes);
chart('memory', 'collector pauses, ms per second', number);
connect();
