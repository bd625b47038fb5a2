#!/usr/bin/env bash
# leaks_test.sh LEAKY_HOST LEAKY_DRIVER CASE: what is said of a driver that leaves something behind, or does not leave.
set -euo pipefail
host=$1 driver=$2 what=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOFTNDK_OBJECT_STACKS=on

fail() {
  echo "FAILED: $1"
  sed 's/^/  | /' "$work/out" "$work/err"
  exit 1
}
# The report has a line that matches.
says() { grep -Eq -- "$1" "$work/err" || fail "no line matches: $1"; }
run() { # MISTAKE, and the exit code it ends with
  local code=0
  timeout 60 "$host" "$driver" "$1" >"$work/out" 2>"$work/err" || code=$?
  [ "$code" = "$2" ] || fail "exit code $code instead of $2"
}

case $what in
  clean)
    run clean 0
    [ ! -s "$work/err" ] || fail "a driver that closed everything is reported"
    ;;
  leak | interposed)
    [ "$what" = leak ] || export SOFTNDK_VERIFIER=passthrough
    run leak 1
    grep -q '^left behind: 6$' "$work/out" || fail "the count: adapter, PD, MR, MDL, buffer and work item"
    says 'driver leaky was unloaded and left behind:'
    says 'error:   adapter 0x[0-9a-f]+: open, interface [0-9]+'
    says 'error:     pd 0x[0-9a-f]+: open.*created by HalfConnectedCreate'
    says 'error:       mr 0x[0-9a-f]+: open, registered, tokens'
    says 'at HalfConnectedCreate\+0x[0-9a-f]+ \((half_connected.c:[0-9]+|leaky_driver.so)\)'
    says 'at DriverEntry\+0x'
    ! grep -q 'at .*main' "$work/err" || fail "frames of the host are shown"
    says 'MDL 0x[0-9a-f]+: .* tag Mdl '
    says 'pool 0x[0-9a-f]+: 8192 bytes, tag Half, allocated by 0x[0-9a-f]+ HalfConnectedCreate'
    says 'work item 0x[0-9a-f]+: '
    ! grep -Eq 'connector|listener|qp 0x' "$work/err" || fail "what was closed is reported"
    ;;
  hang)
    export SOFTNDK_EXPLAIN_WAIT_MS=200
    : >"$work/err"
    code=0
    # Its standard input ends, and with it the hang, when the explanation is there.
    { timeout 30 bash -c "until grep -q 'raised by listener' '$work/err'; do sleep 0.05; done" || true; } |
      timeout 60 "$host" "$driver" hang >"$work/out" 2>>"$work/err" || code=$?
    [ "$code" = 0 ] || fail "exit code $code"
    says 'DriverUnload of leaky has not returned for ([0-9.]+ s|[0-9]+ ms)\. Who waits for what:'
    says "waits for notification event 0x[0-9a-f]+, for .*, at (LeakyUnload|leaky_driver.so).*; nobody has set it since it was initialised"
    says 'driver leaky has requests that pend; their completions could end a wait:'
    says 'connector 0x[0-9a-f]+: NdkConnect, pending for .*; completes when the peer answers'
    says 'driver leaky has open:'
    says 'connector 0x[0-9a-f]+: open, incoming, raised by listener 0x'
    ;;
  *) echo "unknown case $what"; exit 2 ;;
esac
