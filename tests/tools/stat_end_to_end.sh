#!/bin/bash
# ndkstat looks at other processes: what it shows is compared with what they did and with what Linux says.
#
#   stat_end_to_end.sh NDKSTAT STAT_PEER CASE
#
# Exit: 0 the case holds, 1 it does not (what was seen is printed), 77 this machine cannot run it.
set -u

ndkstat=$1 peer=$2 case=$3
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap finish EXIT
exec 9<>/dev/null

fail() {
  echo "FAILED: $*"
  for file in "$work"/*; do
    [ -f "$file" ] || continue
    echo "--- ${file##*/}"
    tail -n 30 "$file"
  done
  exit 1
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Starts a peer that stays until its input ends, and waits for its word. Sets pid, local and foreign.
start_peer() {  # address:port messages bytes
  mkfifo "$work/input.$1"
  "$peer" "$@" <"$work/input.$1" >"$work/peer.$1" 2>&1 &
  pid=$!
  pids+=("$pid")
  exec {input}>"$work/input.$1"
  for _ in $(seq 400); do
    grep -q '^ready' "$work/peer.$1" && break
    kill -0 "$pid" 2>/dev/null || fail "the peer has ended"
    sleep 0.05
  done
  local=$(sed -n 's/^ready local=\([^ ]*\) .*/\1/p' "$work/peer.$1")
  foreign=$(sed -n 's/^ready .* foreign=//p' "$work/peer.$1")
  [ -n "$foreign" ] || fail "the peer is not ready"
}

see() {  # exit-code options...
  local wanted=$1 code=0
  shift
  "$ndkstat" "$@" >"$work/seen" 2>"$work/said" || code=$?
  [ "$code" = "$wanted" ] || fail "exit code $code instead of $wanted: ndkstat $*"
}
shows() { grep -q -E -- "$1" "$work/seen" || fail "no line like '$1'"; }
says() {  # expression over the JSON document d
  python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(0 if eval(sys.argv[2]) else 1)' \
    "$work/seen" "$1" || fail "not $1"
}

port=$(free_port) || exit 77
at=127.0.0.1:$port

case $case in
  connections)
    start_peer "$at" 1 64
    see 0 -xan
    shows '^Active NetworkDirect Connections, Listeners, SharedEndpoints$'
    shows '^  Mode   IfIndex Type           Local Address          Foreign Address        PID$'
    here=$(printf '%s' "$local" | sed 's/\./\\./g') there=$(printf '%s' "$foreign" | sed 's/\./\\./g')
    shows "^  Kernel +1 Connection     $here +$there +$pid\$"
    shows "^  Kernel +1 Connection     $there +$here +$pid\$"
    shows "^  Kernel +1 Listener       $there +NA +$pid\$"
    [ "$(grep -c -E "^ +TCP +($here +$there|$there +$here|$there +NA)\$" "$work/seen")" = 3 ] ||
      fail "not a TCP line for each entry"
    # The same words in any case, and everything of it in JSON.
    "$ndkstat" -XAN | grep -q " $pid\$" || fail "-XAN"
    see 0 -xan --json
    says 'd["schema"] == 1 and d["tool"] == "ndkstat" and d["view"] == "connections"'
    says "sorted(c['type'] for c in d['connections'] if c['pid'] == $pid) == ['Connection', 'Connection', 'Listener']"
    # Linux has the very same tuples.
    if command -v ss >/dev/null; then
      ss -tanH >"$work/ss"
      python3 - "$work" "$pid" <<'P' || fail "ss -tan does not have what ndkstat shows"
import json, sys
rows = [line.split() for line in open(sys.argv[1] + "/ss")]
tcp = {(r[3], r[4]) for r in rows if r[0] == "ESTAB"}
listening = {r[3] for r in rows if r[0] == "LISTEN"}
mine = [c for c in json.load(open(sys.argv[1] + "/seen"))["connections"] if c["pid"] == int(sys.argv[2])]
for c in mine:
    if c["type"] == "Connection":
        assert (c["tcp_local_address"], c["tcp_foreign_address"]) in tcp, c
    else:
        assert c["tcp_local_address"] in listening and c["foreign_address"] is None, c
P
    fi
    ;;
  counters)
    # 100 Sends of 1000 octets: FPDUs of 2 + 18 + 1000 + 4; and the RTR, a Write of nothing: 2 + 14 + 4.
    start_peer "$at" 100 1000
    see 0 --counters --pid "$pid" --name lo --json
    says 'd["adapters"] == [{"name": "lo", "description": "SoftNDK iWARP Adapter (lo)", "ifindex": 1,
      "process_count": 1, "initiated_connections": 1, "accepted_connections": 1, "failed_connection_attempts": 0,
      "connection_errors": 0, "active_connections": 2, "completion_queue_errors": 0, "inbound_bytes": 102420,
      "outbound_bytes": 102420, "inbound_frames": 101, "outbound_frames": 101}]'
    first=$pid
    start_peer "127.0.0.1:$(free_port)" 1 1000
    see 0 --counters --json
    says "{p['pid'] for p in d['processes']} >= {$first, $pid}"
    says 'all(a["inbound_bytes"] == sum(b["inbound_bytes"] for p in d["processes"] for b in p["adapters"]
      if b["ifindex"] == a["ifindex"]) for a in d["adapters"])'
    see 0 --counters --pid "$pid"
    shows '^\\RDMA Activity\(SoftNDK iWARP Adapter \(lo\)\)$'
    shows '^  OutboundBytes +1044  RDMA Outbound Bytes/sec$'
    see 0 --prometheus --pid "$pid"
    shows '^# TYPE softndk_rdma_out_octets_total counter$'
    shows '^softndk_rdma_out_octets_total\{adapter="lo",ifindex="1"\} 1044$'
    shows '^softndk_active_connection\{adapter="lo",ifindex="1"\} 2$'
    see 0 --watch 0.01 --count 2 --pid "$pid" --name lo
    [ "$(grep -c '^lo ' "$work/seen")" = 2 ] || fail "not two reports"
    see 0 --watch 0.01 --count 1 --pid "$pid" --name lo --json
    says 'd["adapters"][0]["outbound_bytes_per_s"] == 0 and d["adapters"][0]["active_connections"] == 2'
    ;;
  adapters)
    see 0
    for name in Name InterfaceDescription Enabled MaxQueuePairCount MaxCompletionQueueCount MaxMemoryRegionCount \
      MaxProtectionDomainCount MaxInboundReadLimit MaxOutboundReadLimit MaxMemoryWindowCount \
      MaxSharedReceiveQueueCount RdmaMissingCounterInfo RdmaAdapterInfo; do
      shows "^$name +: "
    done
    see 0 --json
    says 'd["adapters"][0]["name"] == "lo" and d["adapters"][0]["enabled"] is True and d["adapters"][0]["ifindex"] == 1'
    export SOFTNDK_NETWORK_DIRECT=0
    see 0 --name lo
    shows '^Enabled +: False$'
    ;;
  info)
    see 0 --info --name lo
    [ "$(sed -n 's/^\([A-Za-z]*\):.*/\1/p' "$work/seen" | tr '\n' ' ')" = "InfoVersion VendorId DeviceId \
MaxRegistrationSize MaxWindowSize FRMRPageCount MaxInitiatorRequestSge MaxReceiveRequestSge MaxReadRequestSge \
MaxTransferLength MaxInlineDataSize MaxInboundReadLimit MaxOutboundReadLimit MaxReceiveQueueDepth \
MaxInitiatorQueueDepth MaxSrqDepth MaxCqDepth LargeRequestThreshold MaxCallerData MaxCalleeData AdapterFlags \
RdmaTechnology " ] || fail "not the names of NDK_ADAPTER_INFO in their order"
    shows '^    NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED$'
    shows '^RdmaTechnology: iWARP$'
    cp "$work/seen" "$work/by_option"
    "$(dirname "$ndkstat")/ndkinfo" --name lo >"$work/seen" || fail "ndkinfo"
    cmp "$work/seen" "$work/by_option" || fail "ndkinfo is not ndkstat --info"
    see 0 -INFO -name lo -JSON
    says 'd["view"] == "info" and d["adapters"][0]["max_caller_data_bytes"] == 252'
    ;;
  config)
    unset SOFTNDK_VERIFIER  # what is looked at are the defaults
    SOFTNDK_CRC=off see 0 --config
    shows '^crc = off +# SOFTNDK_CRC +not the default: on; on \| off; '
    see 0 --config --json
    says '[s for s in d["settings"] if s["name"] == "rtr"][0]["environment"] == "SOFTNDK_RTR"'
    says 'all(s["value"] == s["default"] for s in d["settings"])'
    # What is printed can be given back.
    cp "$work/seen" "$work/defaults"
    SOFTNDK_CRC=off "$ndkstat" --config >"$work/file"
    SOFTNDK_CONFIG="$work/file" see 0 --config --json
    says '[s["value"] for s in d["settings"] if s["name"] == "crc"] == ["off"]'
    SOFTNDK_CRC=off start_peer "$at" 1 64
    see 0 --config --pid "$pid" --json
    says "d['pid'] == $pid and [s['value'] for s in d['settings'] if s['name'] == 'crc'] == ['off']"
    ;;
  objects)
    start_peer "$at" 1 64
    see 0 --objects --pid "$pid" --json
    python3 - "$work/seen" <<'P' || fail "not the objects of the peer as a tree"
import json, sys
objects = json.load(open(sys.argv[1]))["processes"][0]["objects"]
ids = {o["id"]: o for o in objects}
kinds = sorted(o["type"] for o in objects)
assert kinds.count("qp") == 2 and kinds.count("cq") == 2 and kinds.count("pd") == 1 and kinds.count("mr") == 2, kinds
assert kinds.count("connector") == 2 and kinds.count("listener") == 1 and kinds.count("adapter") == 1, kinds
for o in objects:
    assert (o["parent"] == 0) == (o["type"] == "adapter"), o
    assert o["parent"] == 0 or ids[o["parent"]]["depth"] == o["depth"] - 1, o
P
    see 0 --objects --pid "$pid"
    shows "^process $pid \(stat_peer\)$"
    shows '^  adapter 0x[0-9a-f]+, interface 1'
    shows '^    pd 0x'
    shows "connector 0x.*$local -> $foreign"
    ;;
  processes)
    # A process that has died leaves nothing behind; one that stands still is named, and the others are shown.
    start_peer "$at" 1 64
    dead=$pid
    SOFTNDK_PUBLISH=$work/sockets start_peer "127.0.0.1:$(free_port)" 1 64
    placed=$pid
    see 0 -xan
    ! grep -q " $placed\$" "$work/seen" || fail "a process that publishes elsewhere is shown"
    see 0 -xan --from "$work/sockets"
    shows " $placed\$"
    shows " $dead\$"
    kill -9 "$dead" "$placed"
    wait "$dead" "$placed" 2>/dev/null
    [ -S "$work/sockets/softndk-$placed.sock" ] || fail "what this case is about is not there"
    see 0 -xan --from "$work/sockets"
    ! grep -q -E " ($dead|$placed)\$" "$work/seen" || fail "a dead process is shown"
    [ ! -e "$work/sockets/softndk-$placed.sock" ] || fail "the dead process's socket is still there"
    see 1 -xan --pid "$dead"
    SOFTNDK_PUBLISH=off start_peer "127.0.0.1:$(free_port)" 1 64
    see 1 -xan --pid "$pid"
    start_peer "127.0.0.1:$(free_port)" 1 64
    awake=$pid
    start_peer "127.0.0.1:$(free_port)" 1 64
    kill -STOP "$pid"
    see 3 -xan
    shows " $awake\$"
    grep -q "process $pid .*did not answer" "$work/said" || fail "the silent process is not named"
    kill -CONT "$pid"
    see 0 -xan --pid "$pid"
    shows " $pid\$"
    # An orderly end takes the socket away.
    SOFTNDK_PUBLISH=$work/sockets start_peer "127.0.0.1:$(free_port)" 1 64
    [ -S "$work/sockets/softndk-$pid.sock" ] || fail "no socket"
    exec {input}>&-
    wait "$pid" || fail "the peer's end"
    [ ! -e "$work/sockets/softndk-$pid.sock" ] || fail "the socket stays after an orderly end"
    ;;
  permission)
    [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || exit 77
    start_peer "$at" 1 64
    as_other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    as_other "$ndkstat" --version >/dev/null 2>&1 || exit 77  # it cannot even read the program
    as_other "$ndkstat" -xan >"$work/seen" 2>"$work/said" || fail "exit code $?"
    ! grep -q " $pid\$" "$work/seen" || fail "another user sees root's process"
    see 0 -xan
    shows " $pid\$"
    ;;
  crowd)
    # A hundred at once, while others connect and do not read.
    start_peer "$at" 1 64
    python3 - "$pid" <<'P' &
import socket, sys, time
held = []
for _ in range(40):
    s = socket.socket(socket.AF_UNIX)
    s.connect("\0softndk/" + sys.argv[1])
    held.append(s)
time.sleep(60)
P
    pids+=($!)
    looking=()
    for i in $(seq 100); do
      "$ndkstat" -xan --pid "$pid" --json >"$work/seen.$i" 2>"$work/said.$i" &
      looking+=($!)
    done
    for one in "${looking[@]}"; do wait "$one" || fail "one of a hundred did not see it"; done
    for i in $(seq 100); do cmp "$work/seen.1" "$work/seen.$i" || fail "they saw different things"; done
    kill -0 "$pid" || fail "the process has ended"
    ;;
  usage)
    see 0 --help
    see 0 -HELP
    see 0 --version
    see 2 --nonsense
    see 2 -nonsense
    see 2 --info --counters
    see 2 --json --prometheus
    see 2 --watch 0
    see 2 --watch soon
    see 2 --count 3
    see 2 --pid nobody
    see 4 --name no-such-interface
    see 4 --name no-such-interface --json
    says '"no-such-interface" in d["failure"]["text"]'
    ;;
  *)
    echo "no such case: $case" >&2
    exit 1
    ;;
esac
exit 0
