"""Pretty-printers for the WDK's types, as a driver's variables have them, and for NDK objects."""
import ipaddress

import gdb
import gdb.printing

from . import objects, values

_IRQLS = {0: "PASSIVE_LEVEL", 1: "APC_LEVEL", 2: "DISPATCH_LEVEL", 15: "HIGH_LEVEL"}
_MDL_FLAGS = (
    (0x0001, "MAPPED_TO_SYSTEM_VA"),
    (0x0002, "PAGES_LOCKED"),
    (0x0004, "SOURCE_IS_NONPAGED_POOL"),
    (0x0008, "ALLOCATED_FIXED_SIZE"),
    (0x0010, "PARTIAL"),
    (0x0020, "PARTIAL_HAS_BEEN_MAPPED"),
    (0x0040, "IO_PAGE_READ"),
    (0x0080, "WRITE_OPERATION"),
    (0x0800, "IO_SPACE"),
)
_LIST_MAX = 1000
_status_names = None


def status_name(status):
    """"STATUS_PENDING" of its number; None for one without a name. From the library's own table."""
    global _status_names
    if not _status_names:
        _status_names = {}
        table = values.symbol("softndk::runtime::(anonymous namespace)::kNames")
        if table is not None:
            first, last = table.type.range()
            for i in range(first, last + 1):
                _status_names.setdefault(int(table[i]["status"]) & 0xFFFFFFFF, values.text(table[i]["name"]))
    return _status_names.get(status & 0xFFFFFFFF)


class Status:
    """NTSTATUS, NDIS_STATUS."""

    def __init__(self, value):
        self._value = int(value) & 0xFFFFFFFF

    def to_string(self):
        name = status_name(self._value)
        return "0x%08x" % self._value if name is None else "%s (0x%08x)" % (name, self._value)


class Irql:
    def __init__(self, value):
        self._value = int(value)

    def to_string(self):
        name = _IRQLS.get(self._value)
        return str(self._value) if name is None else "%s (%d)" % (name, self._value)


class UnicodeString:
    def __init__(self, value):
        self._value = value

    def to_string(self):
        length = int(self._value["Length"])
        buffer = self._value["Buffer"]
        if int(buffer) == 0:
            return "(null), %d of %d bytes" % (length, int(self._value["MaximumLength"]))
        raw = gdb.selected_inferior().read_memory(int(buffer), length & ~1).tobytes()
        said = raw.decode("utf-16-le", "replace").replace("\\", "\\\\").replace('"', '\\"')
        return 'L"%s", %d of %d bytes' % (said, length, int(self._value["MaximumLength"]))


class ListEntry:
    """A list head (or any entry): how many others are linked with it."""

    def __init__(self, value):
        self._value = value

    def to_string(self):
        flink, blink = self._value["Flink"], self._value["Blink"]
        said = "Flink 0x%x, Blink 0x%x" % (int(flink), int(blink))
        here = self._value.address
        if here is None or int(flink) == 0:
            return said
        count, link = 0, flink
        try:
            while int(link) != int(here) and count < _LIST_MAX:
                if int(link["Flink"]["Blink"]) != int(link):
                    return said + ", corrupt after %d" % count
                link = link["Flink"]
                count += 1
        except gdb.error:
            return said + ", unreadable after %d" % count
        more = "+" if count == _LIST_MAX else ""
        return "empty" if count == 0 else "%d%s linked, %s" % (count, more, said)


def _port(value):
    raw = int(value) & 0xFFFF
    return raw >> 8 | (raw & 0xFF) << 8


def _ip4(value):
    raw = gdb.selected_inferior().read_memory(int(value["sin_addr"].address), 4).tobytes()
    return "%s:%d" % (ipaddress.IPv4Address(raw), _port(value["sin_port"]))


def _ip6(value):
    raw = gdb.selected_inferior().read_memory(int(value["sin6_addr"].address), 16).tobytes()
    return objects.ip6_text(raw, int(value["sin6_scope_id"]), _port(value["sin6_port"]))


class SockaddrIn:
    def __init__(self, value):
        self._value = value

    def to_string(self):
        return _ip4(self._value) if self._value.address is not None else "AF_INET"


class SockaddrIn6:
    def __init__(self, value):
        self._value = value

    def to_string(self):
        return _ip6(self._value) if self._value.address is not None else "AF_INET6"


class SockaddrInet:
    def __init__(self, value):
        self._value = value

    def to_string(self):
        family = int(self._value["si_family"])
        if self._value.address is None:
            return "family %d" % family
        if family == 2:
            return _ip4(self._value["Ipv4"])
        if family == 23:
            return _ip6(self._value["Ipv6"])
        return "unspecified" if family == 0 else "unknown family %d" % family


class Mdl:
    def __init__(self, value):
        self._value = value

    def to_string(self):
        start = int(self._value["StartVa"]) + int(self._value["ByteOffset"])
        bits = int(self._value["MdlFlags"]) & 0xFFFF
        names = [name for bit, name in _MDL_FLAGS if bits & bit]
        rest = bits & ~sum(bit for bit, _ in _MDL_FLAGS)
        if rest:
            names.append("0x%x" % rest)
        following = int(self._value["Next"])
        return "%d bytes at 0x%x, %s%s" % (
            int(self._value["ByteCount"]),
            start,
            "|".join(names) or "no flags",
            ", next 0x%x" % following if following else "",
        )


class Event:
    """KEVENT: its state, who set it last, and who waits for it."""

    def __init__(self, value):
        self._value = value

    def to_string(self):
        header = self._value["Header"]
        kind = {0: "notification", 1: "synchronization"}.get(int(header["Type"]))
        if kind is None:
            return "no event (type %d)" % int(header["Type"])
        said = "%s event, %s" % (kind, "signalled" if int(header["SignalState"]) else "not signalled")
        setter = int(header["WaitListHead"]["Flink"])
        if setter:
            said += ", set last by " + values.code_place(setter)
        here = self._value.address
        waiting = [] if here is None else list(_waiters(int(here)))
        return said + (", waited for by " + ", ".join(waiting) if waiting else "")


def _waiters(address):
    buckets = values.symbol("softndk::ntrt::g_wait_buckets")
    if buckets is None:
        return
    first, last = buckets.type.range()
    for i in range(first, last + 1):
        block = buckets[i]["blocks"]["first_"]
        while int(block) != 0:
            if int(block["object"]) == address:
                waiter = block["waiter"].dereference()
                yield "'%s' at %s" % (
                    values.text(waiter["thread"].referenced_value()["name"]),
                    values.code_place(values.pointer(waiter["caller"])),
                )
            block = block["next"]


class NdkObject:
    """*qp of an NDK_QP* qp, and the like."""

    def __init__(self, value):
        self._value = value

    def to_string(self):
        here = self._value.address
        return "not in memory" if here is None else _ndk_text(int(here))


class NdkPointer:
    """NDK_QP* and the like: the address, and what stands there."""

    def __init__(self, value):
        self._value = value

    def to_string(self):
        return "NULL" if int(self._value) == 0 else "0x%x %s" % (int(self._value), _ndk_text(int(self._value)))


def _ndk_text(address):
    node = objects.find(address)
    if node is None:
        return "<no live NDK object: never one, or closed>"
    parent = next(objects.path(node), None)
    under = "" if parent is None else ", under %s 0x%x" % (parent.kind, parent.object)
    return "<%s, NDK %s, %s%s>" % (node.kind, objects.version(node), node.state(), under)


_TYPEDEFS = {"NTSTATUS": Status, "NDIS_STATUS": Status, "KIRQL": Irql}
_TAGS = {
    "_UNICODE_STRING": UnicodeString,
    "_LIST_ENTRY": ListEntry,
    "_SOCKADDR_INET": SockaddrInet,
    "sockaddr_in": SockaddrIn,
    "_SOCKADDR_IN": SockaddrIn,
    "sockaddr_in6": SockaddrIn6,
    "_SOCKADDR_IN6": SockaddrIn6,
    "_MDL": Mdl,
    "_KEVENT": Event,
}
_NDK_TAGS = ("_NDK_ADAPTER", "_NDK_PD", "_NDK_CQ", "_NDK_QP", "_NDK_MR", "_NDK_MW", "_NDK_SRQ", "_NDK_CONNECTOR",
             "_NDK_LISTENER", "_NDK_SHARED_ENDPOINT")


class Printers:
    """Looks a value's printer up by the name that the driver's source has for its type."""

    name = "softndk"
    enabled = True
    subprinters = None

    def __call__(self, value):
        kind = value.type.unqualified()
        while kind.code == gdb.TYPE_CODE_TYPEDEF:
            if kind.name in _TYPEDEFS:
                return _TYPEDEFS[kind.name](value)
            kind = kind.target().unqualified()
        if kind.code == gdb.TYPE_CODE_PTR:
            target = kind.target().strip_typedefs().unqualified()
            if target.code == gdb.TYPE_CODE_STRUCT and _tag(target) in _NDK_TAGS:
                return NdkPointer(value)
            return None
        tag = _tag(kind)
        if tag in _NDK_TAGS:
            return NdkObject(value)
        printer = _TAGS.get(tag)
        return None if printer is None else printer(value)


def _tag(kind):
    if kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return None
    return kind.tag or kind.name


def register():
    gdb.printing.register_pretty_printer(None, Printers(), replace=True)
