#!/usr/bin/env python3
"""Checks timelines of ndkrun --trace, of the loopback example: valid JSON of the Trace Event Format as Chrome and
Perfetto read it, calls that nest on their thread, requests that end once, and the calls that the example makes."""
import collections
import json
import sys

NUMBER = (int, float)
# Of each phase: the fields that its readers want, besides those of every event.
FIELDS = {"X": {"ts": NUMBER, "dur": NUMBER, "cat": str}, "M": {"args": dict},
          "b": {"ts": NUMBER, "id": (int, str), "cat": str}, "e": {"ts": NUMBER, "id": (int, str), "cat": str}}


def check_format(trace):
    assert trace.get("displayTimeUnit", "ms") in ("ms", "ns")
    open_spans = collections.Counter()
    named = set()
    for event in trace["traceEvents"]:
        for field, kind in {"ph": str, "name": str, "pid": int, "tid": int, **FIELDS[event["ph"]]}.items():
            assert isinstance(event.get(field), kind), (field, event)
        assert isinstance(event.get("args", {}), dict), event
        assert event.get("ts", 0) >= 0 and event.get("dur", 0) >= 0, event
        if event["ph"] == "M":
            assert event["name"] == "thread_name" and event["args"]["name"], event
            named.add(event["tid"])
    assert named == {event["tid"] for event in trace["traceEvents"]}, "a thread without a name"
    # Spans of one category and id nest, as those of requests with one context do. Any order in the file.
    for event in sorted((e for e in trace["traceEvents"] if e["ph"] in "be"), key=lambda e: (e["ts"], e["ph"])):
        key = (event["pid"], event["cat"], event["id"], event["name"])
        open_spans[key] += 1 if event["ph"] == "b" else -1
        assert open_spans[key] >= 0, event


def check(path):
    with open(path) as file:
        trace = json.load(file)
    events = trace["traceEvents"]
    check_format(trace)
    assert trace["otherData"]["events_dropped"] == 0
    names = {event["name"] for event in events}
    wanted = {"NdkCreateCq", "NdkConnect", "NdkAccept", "NdkSend", "NdkRead", "NdkWrite", "CqNotification",
              "ConnectEvent", "NdkGetCqResults", "NdkCloseQp", "work request", "thread_name"}
    assert wanted <= names, wanted - names

    for tid in {event["tid"] for event in events}:
        open_until = []  # ns
        slices = [e for e in events if e["ph"] == "X" and e["tid"] == tid]
        for event in sorted(slices, key=lambda e: (e["ts"], -e["dur"])):
            begin = round(event["ts"] * 1000)
            end = begin + round(event["dur"] * 1000)
            while open_until and open_until[-1] <= begin:
                open_until.pop()
            assert not open_until or end <= open_until[-1], event
            open_until.append(end)

    begun = {e["id"]: e for e in events if e["ph"] == "b" and e["cat"] == "request"}
    ended = {e["id"]: e for e in events if e["ph"] == "e" and e["cat"] == "request"}
    assert begun and begun.keys() == ended.keys(), begun.keys() ^ ended.keys()
    for key, begin in begun.items():
        assert begin["name"] == ended[key]["name"] and begin["ts"] <= ended[key]["ts"], begin
    results = [e for e in events if e["ph"] == "e" and e["cat"] == "work request"]
    assert any(e["args"]["status"] == "0x00000000" and e["args"]["octets"] > 0 for e in results)
    print(f"{path}: {len(events)} events, {len(begun)} requests, {len(results)} results")


for name in sys.argv[1:]:
    check(name)
