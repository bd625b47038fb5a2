"""What gdb needs to show an NDK consumer's world: `source` it, or let gdb load it beside libsoftndk.so.

Printers for the WDK's types and for NDK objects, and the command `info ndk`. Reads memory only and calls nothing in the
program, so it works at a breakpoint, after an abort and in a core file.
"""
import os
import sys

_here = os.path.dirname(os.path.realpath(__file__))
# Here in the source tree and in share/softndk/gdb; from share/gdb/auto-load, whose folders repeat where the library is,
# share/softndk/gdb is beside one of those above.
_place = _here
while not os.path.isdir(os.path.join(_place, "softndk_gdb")):
    _beside = os.path.join(_place, "softndk", "gdb")
    if os.path.isdir(os.path.join(_beside, "softndk_gdb")):
        _place = _beside
    elif _place == os.path.dirname(_place):
        raise ImportError("softndk_gdb is not installed beside " + __file__)
    else:
        _place = os.path.dirname(_place)
if _place not in sys.path:
    sys.path.insert(0, _place)

import softndk_gdb  # noqa: E402

softndk_gdb.register()
