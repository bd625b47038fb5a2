#!/bin/bash
# ndkrun from a driver's sources to its unload.
#
#   end_to_end.sh NDKRUN CASE
#
# Exit: 0 the case holds, 1 it does not (what was seen is printed), 77 this machine cannot run it.
set -u
declare -i n=0
declare -a hash

ndkrun=$1 case=$2
drivers=$(cd "$(dirname "$0")/drivers" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*"
  for file in "$work"/*.out "$work"/*.err; do
    echo "--- ${file##*/}"
    tail -n 40 "$file"
  done
  exit 1
}

# Runs a command, its output to $work/ran.{out,err}, and checks its exit code.
expect() {  # code command...
  local wanted=$1 code=0
  shift
  "$@" >"$work/ran.out" 2>"$work/ran.err" || code=$?
  [ "$code" = "$wanted" ] || fail "exit code $code instead of $wanted: $*"
}
build() {  # name [options]
  local name=$1
  shift
  expect 0 "$ndkrun" build "$drivers/$name" -o "$work/$name.so" "$@"
}
run() {  # code options...
  local code=$1
  shift
  expect "$code" "$ndkrun" run "$@"
}
prints() { grep -q -F -- "$1" "$work/ran.err" "$work/ran.out" || fail "nothing says '$1'"; }
is_silent_about() { ! grep -q -F -- "$1" "$work/ran.err" "$work/ran.out" || fail "something says '$1'"; }
# examples/loopback_driver as $work/loopback.so: both ends of a connection, over interface 7.
build_loopback() {
  mkdir "$work/loopback"
  cp "$drivers"/../../../../examples/loopback_driver/*.[ch] "$drivers/loopback/entry.c" "$work/loopback"
  rm "$work/loopback/main.c"
  expect 0 "$ndkrun" build "$work/loopback" -o "$work/loopback.so" -- -DDriverEntry=LoopbackEntry
}
json_says() {  # expression over d
  python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(0 if eval(sys.argv[2]) else 1)' \
    "$work/ran.out" "$1" || fail "not $1"
}
json_value() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/ran.out" "$1"; }

case $case in
  build_windows_spellings)  # includes in other cases, with backslashes, of generated trace headers; a name of libc's
    before=$(cd "$drivers/two_files" && find . -type f -exec cksum {} + | sort)
    for cc in gcc clang; do
      command -v $cc >/dev/null || continue
      build two_files --cc $cc
      run 1 "$work/two_files.so"
      prints "two files: 43"
    done
    after=$(cd "$drivers/two_files" && find . -type f -exec cksum {} + | sort)
    [ "$before" = "$after" ] || fail "the sources were changed"
    ;;
  build_cxx)
    for cc in gcc clang; do
      command -v $cc >/dev/null || continue
      build cxx --cc $cc
      run 0 "$work/cxx.so" --until-idle
      prints "cxx: 7"
      prints "cxx: unloaded"
      build quiet --cc $cc --c++
      run 0 "$work/quiet.so" --until-idle
      prints "quiet: unloaded"
    done
    ;;
  build_project)  # what the project file lists, with its definitions; the application beside it is none of it
    build project
    run 0 "$work/project.so" --until-idle
    prints "project: 43"
    expect 1 "$ndkrun" build "$drivers/project" -o "$work/all.so" --all-sources
    prints "<windows.h> is user mode"
    ;;
  build_flags)
    build quiet -- -DUNUSED=1 -O2 -Wall
    expect 1 "$ndkrun" build "$drivers/quiet" -o "$work/q.so" -- -include no/such/file.h
    ;;
  build_hints)
    for cc in gcc clang; do
      command -v $cc >/dev/null || continue
      expect 1 "$ndkrun" build "$drivers/broken" -o "$work/broken.so" --cc $cc
      prints "<fltkernel.h> is neither under the directory nor one of the headers that SoftNDK provides"
      prints "hint: IoRegisterPlugPlayNotification"
      prints "NDK_ADAPTER is in <ndkpi.h>"
      expect 1 "$ndkrun" build "$drivers/unlinked" -o "$work/unlinked.so" --cc $cc
      prints "undefined reference to"
      prints "hint: IoWMIRegistrationControl"
    done
    expect 1 "$ndkrun" build "$drivers/broken" -o "$work/broken.so" --json
    json_says 'd["exit_code"] == 1 and d["failed"] == ["driver.c", "names.c"] and len(d["hints"]) == 3'
    ;;
  usage)
    run 2
    run 2 "$work/none.so"
    build quiet
    run 2 "$work/quiet.so" --policy upside-down
    run 2 "$work/quiet.so" --latency soon
    run 2 "$work/quiet.so" --set nothing=1
    run 2 "$work/quiet.so" --seeds 1..2
    expect 2 "$ndkrun" build "$work/nowhere" -o "$work/x.so"
    expect 2 "$ndkrun"
    expect 0 "$ndkrun" --version
    expect 0 "$ndkrun" run --help
    ;;
  run_ends)  # each way in which a run ends
    build quiet && build done
    run 0 "$work/quiet.so" --for 0 --json
    json_says 'd["ended_by"] == "time" and d["drivers"][0]["unloaded"]'
    run 0 "$work/quiet.so" --until-idle --json
    json_says 'd["ended_by"] == "idle"'
    run 0 "$work/done.so" --json
    json_says 'd["ended_by"] == "done"'
    run 0 "$work/done.so" --until "the work is over" --json
    json_says 'd["ended_by"] in ("done", "text")'
    run 3 "$work/quiet.so" --timeout 0.2 --json
    json_says 'd["ended_by"] == "timeout" and d["drivers"][0]["unloaded"]'
    "$ndkrun" run "$work/quiet.so" >"$work/ran.out" 2>"$work/ran.err" &
    for _ in $(seq 400); do grep -q loaded "$work/ran.err" && break; sleep 0.05; done
    kill -TERM $!
    wait $! || fail "the interrupted run's exit code is $?"
    prints "quiet: unloaded"
    prints "ended by interrupted"
    ;;
  run_failed_entry)
    build fails
    run 1 "$work/fails.so"
    prints "STATUS_INSUFFICIENT_RESOURCES"
    is_silent_about "unloaded, which is wrong"
    ;;
  run_two)  # the first is unloaded when the second fails
    build quiet && build fails
    run 1 "$work/quiet.so" "$work/fails.so"
    prints "quiet: unloaded"
    ;;
  run_no_adapter)
    build quiet
    run 4 "$work/quiet.so" --if 7=192.0.2.77 --for 0
    prints "no interface of this host has the address 192.0.2.77"
    ;;
  run_hang)
    build hangs
    run 3 "$work/hangs.so" --for 0 --timeout 0.5
    prints "DriverUnload of hangs has not ended"
    ;;
  run_leaks)  # what is left is told with the driver that made it; a failed DriverEntry may leave something too
    build leaks
    for world in "" "--sim --seed 2" "--verifier"; do
      # shellcheck disable=SC2086
      run 1 "$work/leaks.so" --if 7=127.0.0.1 --for 0 --timeout 60 --json $world
      prints "these live on"
      prints "driver leaks was unloaded and left behind"
      prints "created by DriverEntry"
      json_says 'd["exit_code"] == 1 and d["objects_left"] == 2 and d["drivers"][0]["unloaded"]'
    done
    ;;
  run_crash)  # the signal stays the driver's
    build crashes
    ulimit -c 0
    run 139 "$work/crashes.so"
    prints "run --gdb"
    run 139 "$work/crashes.so" --sim --seeds 3..5
    prints "again: ndkrun run $work/crashes.so --sim --seed 3"
    ;;
  run_many)
    build done
    run 0 "$work/done.so" --runs 5
    prints "5 runs: all clean"
    is_silent_about "the work is over"
    ;;
  sim)
    build done && build hangs
    run 0 "$work/done.so" --sim --seed 5 --json
    first=$(json_value trace_hash)
    run 0 "$work/done.so" --sim --seed 5 --json
    [ "$(json_value trace_hash)" = "$first" ] || fail "one seed, two orders"
    run 0 "$work/done.so" --sim --seed 6 --json
    [ "$(json_value trace_hash)" != "$first" ] || fail "two seeds, one order"
    run 0 "$work/done.so" --sim --seeds 1..200
    prints "seeds 1..200: all clean"
    run 3 "$work/hangs.so" --sim --seeds 1..200
    prints "deadlock in DriverUnload of hangs"
    prints "again: ndkrun run $work/hangs.so --sim --seed 1"
    ;;
  traffic)
    build_loopback
    for policy in inline nested early later 'mixed(3)'; do
      run 0 "$work/loopback.so" --if 7=127.0.0.1 --for 0 --policy "$policy" --timeout 120
      prints "loopback: 6 rounds"
    done
    run 0 "$work/loopback.so" --if 7=127.0.0.1 --for 0 --verifier --latency 0 --timeout 120
    ;;
  sim_traffic)
    build_loopback
    run 0 "$work/loopback.so" --if 7=127.0.0.1 --for 0 --sim --seeds 1..40 --policy mixed
    run 0 "$work/loopback.so" --if 7=127.0.0.1 --for 0 --sim --seeds 1..40 --latency 0 --order permuted
    ;;
  trace)
    build_loopback
    run 0 "$work/loopback.so" --if 7=127.0.0.1 --for 0 --trace "$work/linux.json" --timeout 120
    for seed in 3 3 4; do
      run 0 "$work/loopback.so" --if 7=127.0.0.1 --for 0 --sim --seed $seed --trace "$work/$((++n)).json" --json
      hash[n]=$(json_value trace_hash)
    done
    run 0 "$work/loopback.so" --if 7=127.0.0.1 --for 0 --sim --seed 3 --verifier --json
    [ "$(json_value trace_hash)" = "${hash[1]}" ] || fail "the recording changes what it records"
    cmp -s "$work/1.json" "$work/2.json" || fail "one seed, two timelines"
    ! cmp -s "$work/1.json" "$work/3.json" || fail "two seeds, one timeline"
    python3 "$(dirname "$0")/check_trace.py" "$work/linux.json" "$work/1.json" >"$work/ran.out" 2>&1 ||
      fail "the timeline is not what it should be"
    ;;
  *)
    echo "no case $case"
    exit 1
    ;;
esac
