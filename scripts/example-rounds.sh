#!/usr/bin/env bash
# Runs the example drivers again and again, in every way in which a provider may complete, and under simulation. Wants
# silence: exit code 0, and no report of a sanitizer or debugger.
#   scripts/example-rounds.sh [--rounds N] [--seeds N] [--first SEED] [--jobs N] [--drivers "A B"] [--gdb] BUILD_DIR...
# Each driver, policy (inline nested early later mixed) and build has N rounds (100). Results come in an order that the
# round's number draws; in turn they come as soon as they are known or no earlier than on hardware, and without or with
# the interposer. Then N seeds (1000) of the simulation, with all of that drawn from the seed's number.
# --gdb: each round under gdb's batch mode, which must see the program exit normally.
set -uo pipefail
usage() {
  sed -n 's/^#   //p' "$0" >&2
  exit 2
}
rounds=100 seeds=1000 first=1 jobs=$(nproc) gdb=0 builds=()
drivers="loopback_driver socket_driver nvme_layer probe_driver"
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --seeds) seeds=$2; shift 2 ;;
    --first) first=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    --drivers) drivers=$2; shift 2 ;;
    --gdb) gdb=1; shift ;;
    -*) usage ;;
    *) builds+=("$1"); shift ;;
  esac
done
[ ${#builds[@]} -gt 0 ] || usage
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run PROGRAM POLICY NUMBER WORLD: one run; its output is kept if it fails.
run() {
  local program=$1 policy=$2 number=$3 world=$4 output good=0
  local policies=(inline nested early later mixed)
  [ "$policy" != any ] || policy=${policies[number % 5]}
  [ "$policy" != mixed ] || policy="mixed($number)"
  local latency=0 verifier=off
  [ $((number / 2 % 2)) = 0 ] || latency=30
  [ $((number % 2)) = 0 ] || verifier=passthrough
  local settings=(SOFTNDK_POLICY="$policy" SOFTNDK_ORDER="permuted($number)" SOFTNDK_LATENCY_US=$latency
                  SOFTNDK_VERIFIER=$verifier SOFTNDK_WORLD="$world")
  output=$(mktemp "$work/output.XXXXXX")
  if [ "$gdb" = 1 ]; then
    env "${settings[@]}" timeout 300 gdb -q -batch -ex 'set debuginfod enabled off' -ex run -ex bt "$program" \
      >"$output" 2>&1
    grep -q 'exited normally' "$output" && good=1 # (a backtrace of a program that has ended is an error of gdb's)
  else
    env "${settings[@]}" timeout 300 "$program" >"$output" 2>&1 && good=1
  fi
  ! grep -qE 'Sanitizer|runtime error' "$output" || good=0
  if [ $good = 1 ]; then
    rm -f "$output"
  else
    { echo "FAILED:" "${settings[@]@Q}" "$program"; tail -60 "$output"; } >"$work/failed.$$"
    return 255 # and xargs starts no other
  fi
}
export -f run
export work gdb

# runs PROGRAM POLICY FIRST COUNT WORLD_FORMAT TEXT
runs() {
  local begin=$SECONDS
  seq "$3" $(($3 + $4 - 1)) \
    | xargs -P "$jobs" -I{} bash -c 'run "$1" "$2" "$3" "${4//N/$3}"' run "$1" "$2" {} "$5" 2>/dev/null
  local failures=("$work"/failed.*)
  if [ -e "${failures[0]}" ]; then
    cat "${failures[@]}"
    exit 1
  fi
  echo "ok: $1, $6, $((SECONDS - begin)) s"
}

for build in "${builds[@]}"; do
  for driver in $drivers; do
    program=$build/examples/$driver/$driver
    [ -x "$program" ] || { echo "example-rounds: $program is not built" >&2; exit 1; }
    if [ "$rounds" != 0 ]; then
      for policy in inline nested early later mixed; do
        runs "$program" $policy 1 "$rounds" linux "policy $policy, $rounds rounds$([ $gdb = 0 ] || echo ' under gdb')"
      done
    fi
    if [ "$seeds" != 0 ] && [ $gdb = 0 ]; then
      runs "$program" any "$first" "$seeds" "sim(N)" "simulated, $seeds seeds from $first"
    fi
  done
done
