"""The orders in which drivers include the headers, and what each compiler is called."""
import shutil

SAMPLE_ORDER = ["ndis.h", "wsk.h", "ndkpi.h", "wskndk.h", "Wdmsec.h", "ntddk.h", "netioapi.h"]
ORDERS = [
    SAMPLE_ORDER,
    SAMPLE_ORDER[::-1],
    ["ntddk.h", "ntstrsafe.h", "ndkpi.h", "wsk.h", "wskndk.h"],
    ["ntddk.h", "ws2def.h", "ndisndk.h", "wskndk.h"],
    ["ndis.h", "wsk.h", "ndkpi.h", "wskndk.h", "netioapi.h"],
    ["wsk.h", "ndis.h", "ws2def.h", "ndkpi.h", "ip2string.h"],
    ["wdm.h", "ntstrsafe.h", "ntdef.h", "guiddef.h", "ntddk.h", "ndis.h"],
    ["wdm.h", "ntstrsafe.h", "ntdef.h", "guiddef.h", "uuids.h", "ndis.h", "wsk.h", "netioapi.h"],
    ["wskndk.h", "ndis.h", "wdmsec.h", "Wdmsec.h", "ndisNDK.h", "ndisndk.h"],
    ["sal.h", "specstrings.h", "ws2ipdef.h", "ws2def.h", "ip2string.h", "wdm.h"],
    ["ntddk.h", "guiddef.h", "initguid.h", "devioctl.h", "wdm.h", "dontuse.h", "ndis.h"],
    ["specstrings.h", "string.h", "stdint.h", "stdarg.h", "stddef.h", "ndis.h"],
]


def compiler_pairs():
    """(C compiler, C++ compiler, is clang) of those that are installed."""
    pairs = [(c, cxx, "clang" in c) for c, cxx in (("gcc", "g++"), ("clang", "clang++"))
             if shutil.which(c) and shutil.which(cxx)]
    if not pairs:
        raise SystemExit("neither gcc nor clang found")
    return pairs
