#!/usr/bin/env bash
# guide_test.sh NDKRUN EXAMPLE_DIRECTORY: docs/guide/blue-screen.md, step by step, and that its outputs are those.
set -euo pipefail
ndkrun=$1 example=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$example"/*.c "$work"
cd "$work"

fail() {
  echo "FAILED: $1"
  sed 's/^/  | /' out
  exit 1
}
says() { grep -Eq -- "$1" out || fail "no line matches: $1"; }
run() { # WORDS..., the exit code in `code`
  code=0
  timeout 100 "$ndkrun" run "$@" >out 2>&1 </dev/null || code=$?
}
build() { "$ndkrun" build . -o blue_screen.so >out 2>&1 || fail "it does not build"; }

build
run blue_screen.so --if 4=127.0.0.1 --until registered
[ $code = 134 ] || fail "exit code $code instead of 134 (SIGABRT)"
says 'bug check DRIVER_VERIFIER_DETECTED_VIOLATION \(0xc4\): NdkCloseObject without a CloseCompletion'
says '^  at (UnregisterBuffer|DriverUnload)\+0x[0-9a-f]+ \((blue_screen\.c:[0-9]+|blue_screen\.so)\)'

# The first mistake, mended as the guide does it.
sed -i 's|^  Mr->Dispatch->NdkCloseMr(.*|  CALL call = {0};\n  KeInitializeEvent(\&call.Done, SynchronizationEvent, FALSE);\n  CallWait(\&call, Mr->Dispatch->NdkCloseMr(\&Mr->Header, CallClosed, \&call));|' blue_screen.c
sed -i 's|^static NTSTATUS CallWait(|static VOID CallClosed(PVOID Context) {\n  CallCreated(Context, STATUS_SUCCESS, NULL);\n}\n\n&|' blue_screen.c
build
run blue_screen.so --if 4=127.0.0.1 --until registered --set explain_wait_ms=300 --timeout 5
[ $code = 3 ] || fail "exit code $code instead of 3 (time-out)"
says 'WskCloseNdkAdapter has waited for'
says 'pd 0x[0-9a-f]+: open; created by (RegisterBuffer|DriverEntry)\+0x'

# The second one.
sed -i 's|^  CallWait(&call, Mr->Dispatch->NdkCloseMr.*|&\n  CallWait(\&call, Pd->Dispatch->NdkClosePd(\&Pd->Header, CallClosed, \&call));|' blue_screen.c
build
run blue_screen.so --if 4=127.0.0.1 --until registered
[ $code = 0 ] || fail "exit code $code after both were mended"
