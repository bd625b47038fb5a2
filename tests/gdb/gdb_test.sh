#!/usr/bin/env bash
# gdb_test.sh HALF_CONNECTED SOFTNDK_GDB_PY CASE: what gdb shows of a driver in the middle of a connection.
set -euo pipefail
program=$1 script=$2 what=$3
command -v gdb >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $1"
  sed 's/^/  | /' "$work/out"
  exit 1
}
says() { grep -Eq -- "$1" "$work/out" || fail "no line matches: $1"; }
# gdb's words, with a start of the program up to HalfConnectedHere unless the commands say otherwise.
debug() {
  gdb -nx -batch -iex 'set debuginfod enabled off' -iex 'set width 0' -x "$script" "$@" >"$work/out" 2>&1 </dev/null ||
    fail "gdb ended with $?"
  ! grep -E 'Python Exception|Traceback|Error while executing' "$work/out" || fail "an error in the script"
}
stopped=(-ex 'break HalfConnectedHere' -ex run -ex 'frame function HalfConnectedConnect')
tree() {
  says '^adapter 0x[0-9a-f]+: open; held by 5 successors; created by HalfConnectedOpen \(half_connected.c:[0-9]+\)$'
  says '^  pd 0x[0-9a-f]+: open; held by 2 successors; created by HalfConnectedCreate \(half_connected.c:[0-9]+\)$'
  says '^    qp 0x[0-9a-f]+: open, 0 initiator requests outstanding, 0 receives outstanding, has a connector'
  says '^    mr 0x[0-9a-f]+: open, registered'
  says '^  connector 0x[0-9a-f]+: open, connecting, over qp 0x[0-9a-f]+, 127\.0\.0\.1:[0-9]+ -> 127\.0\.0\.1:[0-9]+'
  says '^    request: NdkConnect, pending, context 0x[0-9a-f]+; completes when the peer answers'
  says '^  listener 0x[0-9a-f]+: open, listening, on 127\.0\.0\.1:[0-9]+'
  says '^  connector 0x[0-9a-f]+: open, incoming'
}

case $what in
  breakpoint)
    debug "${stopped[@]}" -ex 'info ndk' "$program"
    tree
    SOFTNDK_VERIFIER=passthrough debug "${stopped[@]}" -ex 'info ndk' "$program"
    tree
    ;;
  one_object)
    export SOFTNDK_OBJECT_STACKS=on
    debug "${stopped[@]}" -ex 'info ndk half->Qp' -ex 'info ndk half->Pd' -ex 'info ndk half' -ex 'print 1' "$program"
    says '^qp 0x[0-9a-f]+, NDK 2\.1: open'
    says '^under pd 0x[0-9a-f]+$'
    says '^under adapter 0x[0-9a-f]+$'
    says '^created by:$'
    says '^  #0 +0x[0-9a-f]+ in HalfConnectedCreate \(half_connected.c:[0-9]+\)$'
    says '^  #1 +0x[0-9a-f]+ in main \(half_connected_main.c:[0-9]+\)$'
    says '^  mr 0x[0-9a-f]+: open, registered' # under the PD
    says 'is no live NDK object'
    ;;
  core)
    debug "${stopped[@]}" -ex "generate-core-file $work/core" "$program"
    debug -ex 'info ndk' -ex 'print *Half.Qp' "$program" "$work/core"
    tree
    says '= <qp, NDK 2\.1, open'
    ;;
  abort)
    # The bug check stands at the driver's own frame.
    debug -ex 'run abort' -ex 'backtrace' -ex 'info ndk' "$program"
    says 'bug check DRIVER_VERIFIER_DETECTED_VIOLATION \(0xc4\): NdkCloseObject without a CloseCompletion'
    says 'received signal SIGABRT'
    says '^#[0-9]+ .* in main .* at .*half_connected_main\.c:[0-9]+'
    tree
    ;;
  values)
    debug "${stopped[@]}" -ex 'print half->Status' -ex 'print half->ConnectStatus' -ex 'print half->Name' \
      -ex 'print half->Address' -ex 'print half->Sessions' -ex 'print *half->Mdl' -ex 'print half->Arrived' \
      -ex 'print half->ConnectEvent' -ex 'print half->Qp' -ex 'print *half->Connector' -ex 'print (KIRQL)2' \
      -ex 'print (NDK_QP*)half->Buffer' "$program"
    says '= STATUS_SUCCESS \(0x00000000\)'
    says '= STATUS_PENDING \(0x00000103\)'
    says '= L"half connected", 28 of 30 bytes'
    says '= 127\.0\.0\.1:[0-9]+$'
    says '= 1 linked, Flink 0x'
    says '= 8192 bytes at 0x[0-9a-f]+, SOURCE_IS_NONPAGED_POOL'
    says '= notification event, signalled, set last by Arrived \(half_connected.c:[0-9]+\)'
    says '= notification event, not signalled$'
    says '= 0x[0-9a-f]+ <qp, NDK 2\.1, open, .*, under pd 0x[0-9a-f]+>$'
    says '= <connector, NDK 2\.1, open, connecting'
    says '= DISPATCH_LEVEL \(2\)'
    says '= 0x[0-9a-f]+ <no live NDK object'
    ;;
  *) echo "unknown case $what"; exit 2 ;;
esac
