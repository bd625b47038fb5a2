#!/bin/bash
# ndkping and ndkperf as two processes over the loopback interface.
#
#   end_to_end.sh NDKPING NDKPERF CASE
#
# Exit: 0 the case holds, 1 it does not (what was seen is printed), 77 this machine cannot run it.
set -u

ndkping=$1 ndkperf=$2 case=$3
work=$(mktemp -d)
server_pid=''
helper_pid=''
finish() {
  [ -z "$server_pid" ] || kill -9 "$server_pid" 2>/dev/null
  [ -z "$helper_pid" ] || kill -9 "$helper_pid" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT

fail() {
  echo "FAILED: $*"
  for file in "$work"/*; do
    echo "--- ${file##*/}"
    tail -n 30 "$file"
  done
  exit 1
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Waits up to 20 s for a line in a file, as long as the process lives.
wait_for_line() {  # file pattern pid
  for _ in $(seq 400); do
    grep -q -- "$2" "$1" 2>/dev/null && return 0
    kill -0 "$3" 2>/dev/null || break
    sleep 0.05
  done
  grep -q -- "$2" "$1" 2>/dev/null || fail "no line '$2' in ${1##*/}"
}

start_server() {  # command...
  : >"$work/server.out"
  "$@" >"$work/server.out" 2>"$work/server.err" &
  server_pid=$!
  local listens=$work/server.out
  for word in "$@"; do
    case $word in --json | --csv) listens=$work/server.err ;; esac
  done
  wait_for_line "$listens" "Server listens on" "$server_pid"
}

# Runs a command and checks its exit code.
expect() {  # code command...
  local wanted=$1 code=0
  shift
  "$@" >"$work/client.out" 2>"$work/client.err" || code=$?
  [ "$code" = "$wanted" ] || fail "exit code $code instead of $wanted: $*"
}

expect_server() {  # code
  local code=0
  wait "$server_pid" || code=$?
  server_pid=''
  [ "$code" = "$1" ] || fail "the server's exit code is $code instead of $1"
}

last_line_has() { tail -n 1 "$work/$1.out" | grep -q -F -- "$2" || fail "the last line of the $1 lacks '$2'"; }
nowhere() { ! grep -q -F -- "$2" "$work/$1" || fail "$1 has '$2'"; }
somewhere() { grep -q -F -- "$2" "$work/$1" || fail "$1 lacks '$2'"; }

# Both sides run one test to its good end.
ping_pair() {  # address type transfers [client options]
  local address=$1 type=$2 transfers=$3
  shift 3
  start_server "$ndkping" -S -ServerAddr "$address" -TestType "$type" -W 30
  expect 0 "$ndkping" -C -ServerAddr "$address" -TestType "$type" -W 30 "$@"
  expect_server 0
  for side in server client; do
    last_line_has $side "completes test ($type) on interface "
    [ "$(grep -c 'bytes of data successfully transferred' "$work/$side.out")" = "$transfers" ] ||
      fail "the $side does not show $transfers transfers"
  done
}

perf_pair() {  # client options; server options are in $server_options
  local address=127.0.0.1:$port
  # shellcheck disable=SC2086
  start_server "$ndkperf" -S -ServerAddr "$address" -W 30 ${server_options:-}
  expect 0 "$ndkperf" -C -ServerAddr "$address" -W 30 "$@"
  expect_server 0
}

is_json() { python3 -m json.tool <"$work/$1" >/dev/null || fail "$1 is not JSON"; }
json_says() {  # file expression
  python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(0 if eval(sys.argv[2]) else 1)' \
    "$work/$1" "$2" || fail "$1: not $2"
}

port=$(free_port) || exit 77

case $case in
  ping_v4)
    for type in rping rread rwrite rbind rinv; do ping_pair "127.0.0.1:$(free_port)" $type 13; done
    ping_pair "127.0.0.1:$port" all 65
    ;;
  ping_v6)
    ip -6 addr show dev lo 2>/dev/null | grep -q ' ::1/' || exit 77
    ping_pair "[::1]:$port" all 65
    ;;
  ping_policies)
    for policy in inline nested early later 'mixed(5)'; do
      export SOFTNDK_POLICY=$policy
      ping_pair "127.0.0.1:$(free_port)" all 25 --count 5
    done
    ;;
  ping_json)
    start_server "$ndkping" --server --server-addr "127.0.0.1:$port" --timeout 30 --json
    expect 0 "$ndkping" --client --server-addr "127.0.0.1:$port" --timeout 30 --json --count 20 --size 777
    expect_server 0
    for side in server client; do
      is_json $side.out
      json_says $side.out 'd["schema"] == 1 and d["tool"] == "ndkping" and d["result"] == "pass"'
      json_says $side.out 'd["transfer_count"] == 20 and d["total_bytes"] == 20 * 777 and len(d["transfers"]) == 20'
      json_says $side.out '"completes test (rping)" in d["line"] and d["adapter"]["technology"] == 1'
    done
    # A failed run is a document too.
    expect 1 "$ndkping" -C -ServerAddr "127.0.0.1:$port" -W 30 --json
    is_json client.out
    json_says client.out 'd["result"] == "fail" and d["failure"]["status_name"] == "STATUS_CONNECTION_REFUSED"'
    ;;
  ping_csv)
    start_server "$ndkping" -S -ServerAddr "127.0.0.1:$port" -W 30
    expect 0 "$ndkping" -C -ServerAddr "127.0.0.1:$port" -W 30 --csv
    expect_server 0
    [ "$(head -n 1 "$work/client.out")" = test,transfer,bytes,time_us ] || fail "no CSV header"
    [ "$(wc -l <"$work/client.out")" = 14 ] || fail "CSV has not 14 lines"
    somewhere client.err "completes test (rping)"
    ;;
  ping_log)
    for run in 1 2; do
      port=$(free_port)
      ping_pair "127.0.0.1:$port" rping 3 --count 3 -LogFilename "$work/log" -A -V
      [ "$(grep -c 'completes test' "$work/log")" = $run ] || fail "run $run was not appended"
    done
    port=$(free_port)
    ping_pair "127.0.0.1:$port" rping 3 --count 3 -logfilename "$work/log"
    [ "$(grep -c 'completes test' "$work/log")" = 1 ] || fail "the log was not replaced"
    expect 2 "$ndkping" -C -ServerAddr "127.0.0.1:$port" -LogFilename "$work/none/log"
    ;;
  ping_mismatch)
    start_server "$ndkping" -S -ServerAddr "127.0.0.1:$port" -TestType rread -W 30
    expect 1 "$ndkping" -C -ServerAddr "127.0.0.1:$port" -TestType rwrite -W 30
    expect_server 1
    for side in server client; do nowhere $side.out completes; done
    ;;
  ping_size_too_large)
    start_server "$ndkping" -S -ServerAddr "127.0.0.1:$port" --size 100 -W 30
    expect 1 "$ndkping" -C -ServerAddr "127.0.0.1:$port" --size 101 -W 30
    expect_server 1
    for side in server client; do nowhere $side.out completes; done
    somewhere server.out "asks for 101 bytes; this side has 100"
    ;;
  ping_killed_server)
    start_server "$ndkping" -S -ServerAddr "127.0.0.1:$port" -W 30 --size 1000
    "$ndkping" -C -ServerAddr "127.0.0.1:$port" -W 30 --size 1000 --count 1000000000 >"$work/client.out" 2>&1 &
    helper_pid=$!
    wait_for_line "$work/client.out" successfully "$helper_pid"
    kill -9 "$server_pid"
    code=0
    wait "$helper_pid" || code=$?
    helper_pid=''
    server_pid=''
    [ "$code" = 1 ] || fail "exit code $code instead of 1 when the server died"
    nowhere client.out completes
    ;;
  usage)
    expect 0 "$ndkping" --help
    expect 0 "$ndkping" --version
    expect 0 "$ndkperf" --help
    for tool in "$ndkping" "$ndkperf"; do
      expect 2 "$tool"
      expect 2 "$tool" -S
      expect 2 "$tool" -S -C -ServerAddr 127.0.0.1:1
      expect 2 "$tool" -ServerAddr 127.0.0.1:1
      expect 2 "$tool" -S -ServerAddr 127.0.0.1
      expect 2 "$tool" -S -ServerAddr 127.0.0.1:0
      expect 2 "$tool" -S -ServerAddr ::1:9000
      expect 2 "$tool" -S -ServerAdr 127.0.0.1:1
      expect 2 "$tool" -S -ServerAddr 127.0.0.1:1 -TestType nonsense
      expect 2 "$tool" -S -ServerAddr 127.0.0.1:1 -W soon
      expect 2 "$tool" -S -ServerAddr 127.0.0.1:1 -A
      expect 2 "$tool" -S -ServerAddr 127.0.0.1:1 --json --csv
      expect 2 "$tool" -C -ServerAddr 127.0.0.1:1 -ClientAddr ::1
      expect 2 "$tool" -C -ServerAddr 127.0.0.1:1 --size 0
    done
    expect 2 "$ndkperf" -C -ServerAddr 127.0.0.1:1 --op atomic
    expect 2 "$ndkperf" -C -ServerAddr 127.0.0.1:1 --mode lat --connections 2
    expect 2 "$ndkperf" -C -ServerAddr 127.0.0.1:1 --connections 16385
    expect 2 "$ndkperf" -C -ServerAddr 127.0.0.1:1 --offset 4096
    ;;
  no_adapter)
    for tool in "$ndkping" "$ndkperf"; do
      expect 4 "$tool" -S -ServerAddr 127.0.0.1:1 -ServerIf no-such-if -W 1
      expect 4 "$tool" -S -ServerAddr 127.0.0.1:1 -ServerIf 4000000000 -W 1
      expect 4 "$tool" -S -ServerAddr 192.0.2.1:9000 -W 1
      nowhere client.out completes
    done
    ;;
  refused)
    for tool in "$ndkping" "$ndkperf"; do
      expect 1 "$tool" -C -ServerAddr "127.0.0.1:$port" -W 30
      last_line_has client "NdkConnect on connector 127.0.0.1 -> 127.0.0.1:$port returned STATUS_CONNECTION_REFUSED "
      last_line_has client "(0xC0000236)"
      last_line_has client "[R-CNCT-04]"
    done
    ;;
  server_timeout)
    for tool in "$ndkping" "$ndkperf"; do
      expect 3 "$tool" -S -ServerAddr "127.0.0.1:$port" -W 1
      last_line_has client "no answer within 1 s, the limit given with -W"
      nowhere client.out completes
      nowhere client.out STATUS_
    done
    ;;
  client_timeout)
    # Takes connections and says nothing.
    python3 -c '
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(8)
print("port", s.getsockname()[1], flush=True)
held = []
while True: held.append(s.accept())' >"$work/silent.out" &
    helper_pid=$!
    wait_for_line "$work/silent.out" port "$helper_pid"
    port=$(awk '/port/ { print $2 }' "$work/silent.out")
    for tool in "$ndkping" "$ndkperf"; do
      expect 3 "$tool" -C -ServerAddr "127.0.0.1:$port" -W 1
      last_line_has client "no answer within 1 s, the limit given with -W"
      nowhere client.out completes
      nowhere client.out STATUS_
    done
    ;;
  perf_send | perf_write | perf_read)
    op=${case#perf_}
    for mode in lat bw; do
      perf_pair --op "$op" --mode $mode --size 1,777,64K --iterations 200
      for side in server client; do last_line_has $side "completes test (${op}_$mode) on interface "; done
      somewhere client.out "     Size     Iter  Latency    CPU  Bytes/Sec"
      [ "$(grep -c 'last buffer verified' "$work/server.out")" = 3 ] || fail "the server did not verify three rounds"
      port=$(free_port)
    done
    perf_pair --op "$op" --size 4K --duration 0.3 --depth 7 --connections 3 --perftest
    somewhere client.out "BW average[MB/sec]"
    ;;
  perf_notified)
    for op in send write read; do
      port=$(free_port)
      perf_pair --op $op --mode lat --size 100 --iterations 100 -b
      port=$(free_port)
      perf_pair --op $op --mode bw --size 100,1M --iterations 100 --connections 2 -b
    done
    ;;
  perf_json)
    server_options=--json
    perf_pair --op write --mode lat --size 64,4K --iterations 100 --json
    is_json server.out
    is_json client.out
    json_says client.out 'd["schema"] == 1 and d["tool"] == "ndkperf" and d["test"] == "write_lat"'
    json_says client.out '[r["size_bytes"] for r in d["rounds"]] == [64, 4096]'
    json_says client.out \
      'all(r["lat_min_us"] <= r["lat_p50_us"] <= r["lat_p99_us"] <= r["lat_max_us"] for r in d["rounds"])'
    json_says client.out 'all(r["iterations"] == 100 for r in d["rounds"]) and d["depth"] == 1'
    json_says client.out 'all(sum(n for _, n in r["lat_histogram_us"]) == 100 for r in d["rounds"])'
    json_says client.out 'all(r["lat_histogram_us"][-1][0] >= r["lat_max_us"] for r in d["rounds"])'
    json_says server.out 'd["result"] == "pass" and all(r["verified"] for r in d["rounds"])'
    # Each side's processor time is its own: the server's, as the client was told it, is what the server says.
    python3 - "$work/client.out" "$work/server.out" <<'CHECK' || fail "the server's processor time is not told"
import json, sys
client, server = (json.load(open(path))["rounds"] for path in sys.argv[1:])
told = [round(r["server_cpu_s"], 9) for r in client]
said = [round(r["cpu_s"], 9) for r in server]
gib = [r["iterations"] * r["size_bytes"] / 2**30 for r in client]
sums = [abs(r["cpu_s_per_gib"] * g - r["cpu_s"] - r["server_cpu_s"]) < 1e-6 for r, g in zip(client, gib)]
sys.exit(0 if told == said and sum(said) > 0 and all(sums) else 1)
CHECK
    ;;
  perf_offset)
    # Wherever the buffers lie, the right bytes are in them.
    for op in send write read; do
      for offset in 1 4095; do
        port=$(free_port)
        perf_pair --op $op --mode lat --size 1,9K --iterations 50 --offset $offset
        port=$(free_port)
        perf_pair --op $op --size 1,9K --iterations 50 --offset $offset --defer --depth 7 --connections 2
      done
    done
    ;;
  perf_connects)
    # Connections that come and go, whichever way the provider completes; both sides count the same.
    for policy in default inline nested early later 'mixed(7)'; do
      export SOFTNDK_POLICY=$policy
      port=$(free_port)
      server_options=--json
      perf_pair --mode conn --connections 20 --depth 3 --iterations 50 --json
      json_says client.out 'd["test"] == "conn" and d["connections"] == 20 and d["depth"] == 3'
      json_says client.out 'len(d["rounds"]) == 1 and d["rounds"][0]["made"] == 60 and d["rounds"][0]["held"] == 20'
      json_says client.out 'all(d["rounds"][0][k] > 0 for k in ("connections_per_s", "setup_p50_us", "teardown_p50_us"))'
      json_says server.out 'd["test"] == "conn" and d["rounds"][0]["received"] == 60 and d["rounds"][0]["verified"]'
    done
    ;;
  perf_connects_killed_server)
    # The client ends, with a failure, when the server goes away in the middle.
    start_server "$ndkperf" -S -ServerAddr "127.0.0.1:$port" -W 30
    "$ndkperf" -C -ServerAddr "127.0.0.1:$port" -W 30 --mode conn --connections 50 --depth 5 --iterations 1000000000 \
      >"$work/client.out" 2>&1 &
    helper_pid=$!
    wait_for_line "$work/client.out" Made "$helper_pid"
    kill -9 "$server_pid"
    server_pid=''
    code=0
    wait "$helper_pid" || code=$?
    helper_pid=''
    [ "$code" = 1 ] || fail "exit code $code instead of 1 when the server died"
    nowhere client.out completes
    ;;
  perf_connects_killed_client)
    start_server "$ndkperf" -S -ServerAddr "127.0.0.1:$port" -W 30
    "$ndkperf" -C -ServerAddr "127.0.0.1:$port" -W 30 --mode conn --connections 50 --depth 5 --iterations 1000000000 \
      >"$work/client.out" 2>&1 &
    helper_pid=$!
    wait_for_line "$work/client.out" Made "$helper_pid"
    kill -9 "$helper_pid"
    helper_pid=''
    expect_server 1
    nowhere server.out completes
    ;;
  perf_objects)
    # Without a peer, whichever way the provider completes; every object is made, weighed and closed.
    for policy in default early 'mixed(7)'; do
      export SOFTNDK_POLICY=$policy
      expect 0 "$ndkperf" -C -ClientAddr 127.0.0.1 --mode obj --iterations 50 --depth 4 --json
      json_says client.out 'd["test"] == "obj" and d["result"] == "pass" and len(d["rounds"]) == 11'
      json_says client.out 'all(r["count"] == 50 and r["create_p50_us"] <= r["create_p99_us"] for r in d["rounds"])'
    done
    expect 0 "$ndkperf" -C -ClientAddr 127.0.0.1 --mode obj --iterations 5
    last_line_has client "completes test (obj) on interface "
    expect 2 "$ndkperf" -C --mode obj
    expect 2 "$ndkperf" -S --mode obj
    expect 4 "$ndkperf" -C -ClientIf no-such-if --mode obj
    ;;
  perf_many_connections)
    perf_pair --op write --size 100 --iterations 20 --depth 2 --connections 300
    port=$(free_port)
    perf_pair --op send --size 100 --iterations 20 --depth 2 --connections 300 -b
    ;;
  perf_windows_words)
    server_options='-TestType rperf'
    perf_pair -TestType RPERF -ts 4096 --duration 0.5
    for side in server client; do last_line_has $side "completes test (rperf) on interface "; done
    port=$(free_port)
    server_options='-TestType rping'
    perf_pair -testtype rping
    for side in server client; do last_line_has $side "completes test (rping) on interface "; done
    ;;
  *)
    echo "no such case: $case" >&2
    exit 1
    ;;
esac
