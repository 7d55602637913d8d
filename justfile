# One command for each thing there is to do; the work is in ci/, which sets directories and tools.
# Without `just`: ci/just RECIPE installs it and runs the recipe.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# list the recipes
[no-exit-message]
default:
    @"{{ just_executable() }}" --list --unsorted

# build, start the example service, put it under load, keep it running (--once: stop afterwards)
[no-exit-message]
demo *ARGS:
    @ci/demo "$@"

# everything CI runs; or only the stages named, as in `just test-all fmt tests`
[no-exit-message]
test-all *ARGS:
    @ci/test-all "$@"

# all tests with the project's harness: [-p PACKAGE]... [FILTER] [--option=value]...
[no-exit-message]
test *ARGS:
    @ci/test "$@"

# the tests whose name contains NAME, quickly: -p PACKAGE builds only that package
[no-exit-message]
t NAME *ARGS:
    @ci/test "$@"

# model checking of the lock-free code
[no-exit-message]
loom *ARGS:
    @ci/loom "$@"

# model checking with the nightly models
[no-exit-message]
loom-full *ARGS:
    @ci/loom --set all "$@"

# the lock-free code on many threads under random schedules: [--iterations N] [--seed N] [FILTER]
[no-exit-message]
shuttle *ARGS:
    @ci/shuttle "$@"

# weakens every memory ordering, one at a time, and requires that a model notices
[no-exit-message]
loom-mutants *ARGS:
    @ci/loom-mutants "$@"

# coverage of every source file and its gate: [-p PACKAGE]... [--html] [--all]
[no-exit-message]
coverage *ARGS:
    @ci/coverage "$@"

# a load scenario against a server: `just load steady --target http://127.0.0.1:8080`
[no-exit-message]
load SCENARIO *ARGS:
    @. ci/env.sh && cargo run --release --quiet --target-dir "$VALK_RELEASE_DIR" -p valk-load -- run "$@"

# programs at the sizes the language promises, on the release build
[no-exit-message]
scale *ARGS:
    @ci/scale "$@"

# formatting, lints and documentation, without changing anything
[no-exit-message]
lint:
    @ci/test-all fmt clippy docs

# format all code
[no-exit-message]
fmt:
    @. ci/env.sh && cargo fmt --all

# tests of the crates with `unsafe`, and programs, under AddressSanitizer and LeakSanitizer
[no-exit-message]
sanitize:
    @ci/sanitize

# churn with verified values and flat memory under every schedule of the collector: [--seconds N]
[no-exit-message]
soak *ARGS:
    @ci/soak "$@"

# speed of the language beside Lua, Chez, Guile, Janet: [--rounds N] [--json FILE] [--peers LIST] [PROGRAM]...
[no-exit-message]
bench-lang *ARGS:
    @ci/bench "$@"

# pauses and memory of the collector: [--rounds N] [PROGRAM]...; of single operations: --primitives
[no-exit-message]
bench-heap *ARGS:
    @ci/bench-heap "$@"

# stops of the example service under load: [--seconds N] [--rate N]
[no-exit-message]
bench-stops *ARGS:
    @ci/bench-stops "$@"

# queues, task pool and coordinator beside their peers: [--rounds N]
[no-exit-message]
bench-sync *ARGS:
    @ci/bench-sync "$@"

# ten thousand tests that do nothing, beside a bare loop of forks: [--rounds N] [--baseline COMMIT]
[no-exit-message]
bench-harness *ARGS:
    @ci/bench-harness "$@"

# the server beside hyper's: [--rounds N] [--seconds N] [--rows LIST] [--json FILE] [--allocators]
[no-exit-message]
bench-http *ARGS:
    @ci/bench-http "$@"

# the load generator beside the least client of the h2 crate and h2load: [--rounds N] [--seconds N]
[no-exit-message]
bench-load *ARGS:
    @ci/bench-load "$@"

# handles, fibers and timers beside tokio: [--rounds N] [SUBJECT]...
[no-exit-message]
bench-aio *ARGS:
    @ci/bench-aio "$@"

# how two threads share the work of a program: [--rounds N] [PROGRAM]...
[no-exit-message]
bench-threads *ARGS:
    @ci/bench-threads "$@"

# all benchmarks against the goals
[no-exit-message]
bench:
    @ci/bench
    @ci/bench-heap
    @ci/bench-heap --primitives
    @ci/bench-stops
    @ci/bench-sync
    @ci/bench-aio
    @ci/bench-threads
    @ci/bench-http
    @ci/bench-load

# the server and its clients on a simulated network: [--seconds N] [--clients N] [--seed N]
[no-exit-message]
simulate *ARGS:
    @ci/simulate "$@"

# fuzzing: differential, stress, random or reader, for --seconds N from --seed N; or trees, --trees N
[no-exit-message]
fuzz *ARGS:
    @ci/fuzz "$@"
