# shellcheck shell=bash
# Directories of every build, for the scripts in ci/; source it, do not run it.
#
# Reads
#   VALK_CACHE_DIR    where builds and tools are kept between runs, usually outside the clone
#   CARGO_TARGET_DIR  where the normal build goes, as for cargo itself
# and sets, the same for a script and for everything it starts:
#   VALK_ROOT             the clone
#   VALK_TOOL_DIR         tools installed by ci/tools; its bin/ is put into PATH
#   VALK_TARGET_DIR       normal build (dev and test profiles), shared with plain `cargo`
#   VALK_RELEASE_DIR      release build: demo and load tests
#   VALK_BENCH_DIR        benchmarks
#   VALK_LOOM_DIR         model checking: other cfg, other everything
#   VALK_COVERAGE_DIR     instrumented binaries, profiles and reports
#   VALK_LOG_DIR          logs and test ledgers
# Without either variable all of it lies inside the clone, ignored by git. Deleting any of these
# directories is always safe.

valk_root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

# A script started by another one keeps the directories of the first: ci/coverage points
# CARGO_TARGET_DIR elsewhere for its children.
if [[ ${VALK_ROOT:-} != "$valk_root" ]]; then
    export VALK_ROOT=$valk_root
    valk_keep=${VALK_CACHE_DIR:-$VALK_ROOT/.valk}
    mkdir -p -- "$valk_keep"
    valk_keep=$(cd -- "$valk_keep" && pwd -P)
    if [[ -n ${VALK_CACHE_DIR:-} ]]; then
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$valk_keep/target}
    else
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$VALK_ROOT/target}
    fi
    # Relative names are relative to where the caller stands, for cargo and for us.
    mkdir -p -- "$CARGO_TARGET_DIR"
    CARGO_TARGET_DIR=$(cd -- "$CARGO_TARGET_DIR" && pwd -P)
    export VALK_TOOL_DIR=$valk_keep/tools
    export VALK_TARGET_DIR=$CARGO_TARGET_DIR
    export VALK_RELEASE_DIR=$valk_keep/release
    export VALK_BENCH_DIR=$valk_keep/bench
    export VALK_LOOM_DIR=$valk_keep/loom
    export VALK_COVERAGE_DIR=$valk_keep/coverage
    export VALK_LOG_DIR=$valk_keep/logs
    export PATH=$VALK_TOOL_DIR/bin:$PATH
    unset valk_keep
fi
unset valk_root

# Prints one line about what a script does, apart from the output of what it runs.
valk_say() { printf '==> %s\n' "$*" >&2; }

# Ends a script with a reason and what to do.
valk_die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
