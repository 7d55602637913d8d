# shellcheck shell=bash disable=SC2034
# Starts and stops the example service for load checks and the demo; source it after env.sh.
#
# The service prints a line per address, `listening on http://127.0.0.1:PORT`; that line, not a
# pause, says that it is ready.

# Longest wait for the addresses, and for the end after an interrupt, in tenths of a second.
SERVICE_START_TENTHS=200
SERVICE_STOP_TENTHS=100
# Set to yes by a script whose terminal has sent Ctrl-C: the service has seen it too, and a second
# one might mean "now" instead of "please".
SERVICE_INTERRUPTED=no
# Options of `valk` for the service.
SERVICE_FLAGS=()

# service_build: builds the programs and sets VALK_BIN and VALK_LOAD_BIN. The release profile unless
# VALK_SMOKE_PROFILE is dev (what the tests use) or prebuilt (both variables are set already).
service_build() {
    case ${VALK_SMOKE_PROFILE:-release} in
    release)
        cargo build --release --target-dir "$VALK_RELEASE_DIR" -p valk -p valk-load --bins
        VALK_BIN=$VALK_RELEASE_DIR/release/valk VALK_LOAD_BIN=$VALK_RELEASE_DIR/release/valk-load
        ;;
    dev)
        cargo build --workspace --lib --bins --tests
        VALK_BIN=$VALK_TARGET_DIR/debug/valk VALK_LOAD_BIN=$VALK_TARGET_DIR/debug/valk-load
        ;;
    prebuilt) : "${VALK_BIN:?prebuilt needs it}" "${VALK_LOAD_BIN:?prebuilt needs it}" ;;
    *) valk_die "VALK_SMOKE_PROFILE is \`$VALK_SMOKE_PROFILE\`, expected release, dev or prebuilt" ;;
    esac
}

# service_start LOG: sets SERVICE_PID, SERVICE_HTTP and SERVICE_HTTPS (empty if not offered).
service_start() {
    local log=$1 tenths=0
    # An own process group would keep Ctrl-C from it; an ignored SIGINT (as a background command of
    # a script has) would keep ours, so the default is set again.
    env --default-signal=INT "$VALK_BIN" "${SERVICE_FLAGS[@]}" examples/service.valk >"$log" 2>&1 &
    SERVICE_PID=$!
    until grep -q '^listening on https://' "$log" && grep -q '^listening on http://' "$log"; do
        if ! kill -0 "$SERVICE_PID" 2>/dev/null; then
            cat -- "$log" >&2
            SERVICE_PID=''
            valk_die "the service ended before it listened"
        fi
        if ((++tenths > SERVICE_START_TENTHS)); then
            cat -- "$log" >&2
            valk_die "the service printed no \`listening on http://…\` and \`https://…\` lines within $((SERVICE_START_TENTHS / 10)) s"
        fi
        sleep 0.1
    done
    SERVICE_HTTP=$(sed -n 's/^listening on \(http:\/\/[^ ]*\).*/\1/p' "$log" | head -n1)
    SERVICE_HTTPS=$(sed -n 's/^listening on \(https:\/\/[^ ]*\).*/\1/p' "$log" | head -n1)
}

# service_stop: interrupts the service and returns its exit status; 124 if it had to be killed.
service_stop() {
    local tenths=0 status=0 pid=${SERVICE_PID:-}
    [[ -n $pid ]] || return 0
    SERVICE_PID=''
    [[ $SERVICE_INTERRUPTED == yes ]] || kill -INT "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do
        if ((++tenths > SERVICE_STOP_TENTHS)); then
            kill -KILL "$pid" 2>/dev/null || true
            wait "$pid" 2>/dev/null || true
            return 124
        fi
        sleep 0.1
    done
    wait "$pid" || status=$?
    return "$status"
}
