#!/usr/bin/env bash
# Runs the example driver again and again, under every completion policy, and wants silence: exit code 0 and no report
# of a sanitizer or debugger.
#   scripts/example-rounds.sh [--rounds N] [--gdb] BUILD_DIR...
# --gdb: each run under gdb's batch mode, which must see the program exit normally. Default: 100 rounds.
set -uo pipefail
rounds=100 gdb=0 builds=()
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --gdb) gdb=1; shift ;;
    -*) echo "usage: example-rounds.sh [--rounds N] [--gdb] BUILD_DIR..." >&2; exit 2 ;;
    *) builds+=("$1"); shift ;;
  esac
done
[ ${#builds[@]} -gt 0 ] || { echo "usage: example-rounds.sh [--rounds N] [--gdb] BUILD_DIR..." >&2; exit 2; }
output=$(mktemp)
trap 'rm -f "$output"' EXIT
for build in "${builds[@]}"; do
  program=$build/examples/loopback_driver/loopback_driver
  [ -x "$program" ] || { echo "example-rounds: $program is not built" >&2; exit 1; }
  for policy in inline nested early later mixed; do
    for ((round = 1; round <= rounds; ++round)); do
      value=$policy
      [ $policy != mixed ] || value="mixed($round)"
      if [ $gdb = 1 ]; then
        SOFTNDK_POLICY=$value timeout 60 gdb -q -batch -ex 'set debuginfod enabled off' -ex run -ex bt "$program" \
          >"$output" 2>&1
        grep -q 'exited normally' "$output"  # (a backtrace of a program that has ended is an error of gdb's)
      else
        SOFTNDK_POLICY=$value timeout 60 "$program" >"$output" 2>&1 && ! grep -qE 'Sanitizer|runtime error' "$output"
      fi || { echo "FAILED: $program, policy $value, round $round"; tail -40 "$output"; exit 1; }
    done
    echo "ok: $build, policy $policy, $rounds rounds$([ $gdb = 0 ] || echo ' under gdb')"
  done
done
