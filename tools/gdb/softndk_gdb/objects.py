"""The library's tree of live objects (src/ntrt/object_tree.h), read from the program's memory."""
import gdb

from . import values

# The class behind each kind of object, and what else it says of itself.
_CLASSES = {
    "adapter": "softndk::provider::Adapter",
    "pd": "softndk::provider::Pd",
    "cq": "softndk::provider::Cq",
    "qp": "softndk::provider::Qp",
    "mr": "softndk::provider::Mr",
    "mw": "softndk::provider::Mw",
    "srq": "softndk::provider::Srq",
    "connector": "softndk::provider::Connector",
    "listener": "softndk::provider::Listener",
    "shared endpoint": "softndk::provider::SharedEndpoint",
}
_NODES_MAX = 200000  # a list that does not end is a list that was overwritten


class Node:
    """One node of the tree."""

    def __init__(self, value, depth):
        self.value = value
        self.depth = depth

    @property
    def kind(self):
        return values.text(self.value["kind_"])

    @property
    def is_request(self):
        return int(self.value["object_"]) == 0

    @property
    def object(self):
        """What the consumer holds."""
        return int(self.value["consumer_object_"])

    @property
    def provider_object(self):
        return int(self.value["object_"])

    @property
    def created_by(self):
        return int(self.value["created_by_"])

    def stack(self):
        stack = self.value["stack_"]
        if int(stack) == 0:
            return []
        return [int(stack["frames"][i]) for i in range(int(stack["count"]))]

    def state(self):
        """In words; empty for an object of a provider that is not ours."""
        try:
            return _describe_request(self) if self.is_request else _describe_object(self)
        except gdb.error as error:
            return "unreadable: %s" % error


def _children(list_value, node_type):
    """The elements of an IntrusiveList<TreeNode>."""
    head = list_value["head_"]
    link = head["next"]
    seen = 0
    while int(link) != int(head.address) and int(link) != 0 and seen < _NODES_MAX:
        yield link.cast(node_type.pointer()).dereference()
        link = link["next"]
        seen += 1


def _walk(list_value, node_type, depth):
    for value in _children(list_value, node_type):
        if int(value["describe_"]) != 0:  # null: the marker of a walk
            yield Node(value, depth)
        yield from _walk(value["children_"], node_type, depth + 1)


def live():
    """All nodes, parents first. None: there is no library with debug information here."""
    tree = values.symbol("softndk::ntrt::g_object_tree")
    node_type = values.lookup_type("softndk::ntrt::TreeNode")
    if tree is None or node_type is None:
        return None
    return list(_walk(tree["root"]["children_"], node_type, 0))


class _Index:
    """Live objects by the consumer's pointer and by the provider's, of the program as it stands."""

    def __init__(self):
        self._nodes = None
        for event in (gdb.events.cont, gdb.events.exited, gdb.events.memory_changed, gdb.events.new_objfile):
            event.connect(self._forget)
        gdb.events.stop.connect(self._forget)

    def _forget(self, _event):
        self._nodes = None

    def find(self, address):
        if self._nodes is None:
            self._nodes = {}
            for node in live() or []:
                if node.is_request:
                    continue
                self._nodes[node.provider_object] = node
                self._nodes[node.object] = node
        return self._nodes.get(int(address))


_index = None


def find(address):
    """The live object that a consumer knows by this address; None if there is none."""
    global _index
    if _index is None:
        _index = _Index()
    return _index.find(address)


def path(node):
    """The objects above it, the adapter last."""
    above = node.value["parent_"]
    depth = node.depth - 1
    while depth >= 0 and int(above) != 0:
        yield Node(above.dereference(), depth)
        above = above["parent_"]
        depth -= 1


def version(node):
    header = gdb.Value(node.provider_object).cast(gdb.lookup_type("NDK_OBJECT_HEADER").pointer())
    return "%d.%d" % (int(header["Version"]["Major"]), int(header["Version"]["Minor"]))


def _owner_type(node, name):
    """The node as the member of its owner that it is, or None if it is not one of ours."""
    if "<%s::describe(" % name not in node.value["describe_"].format_string(symbols=True):
        return None
    kind = values.lookup_type(name)
    return None if kind is None else node.value.address.cast(kind.pointer()).dereference()


def _describe_request(node):
    pending = _owner_type(node, "softndk::provider::PendingNode")
    if pending is None:
        return ""
    call = pending["call_"]
    said = "%s, pending, context 0x%x" % (values.text(call["name"]), int(pending["context_"]))
    if values.number(pending["settled_"]):
        return said + "; its result is known and is delivered next"
    return "%s; completes when %s" % (said, values.text(call["completed_by"]))


def _describe_object(node):
    if node.kind == "lam":
        return "built, and not released"
    held = _owner_type(node, "softndk::provider::Object::Node")
    if held is None:
        return ""
    base = held["owner"].referenced_value()
    words = ["closing" if values.number(base["closing_"]) else "open"]
    whole = _whole(node, node.kind)
    if whole is not None:
        words += _more(node.kind, whole)
    counts = []
    for reason, count in _references(base):
        if count and reason != "consumer":
            counts.append("%d %s%s" % (count, reason, "" if count == 1 else "s"))
    return ", ".join(words) + ("; held by " + ", ".join(counts) if counts else "")


def _references(base):
    array = values.find_member(base["by_reason_"], "_M_elems")
    reasons = values.lookup_type("softndk::provider::RefReason").fields()
    return [(field.name.rsplit("::", 1)[-1], values.number(array[field.enumval])) for field in reasons]


def _whole(node, kind):
    """The provider's object: the NDK structure that the consumer sees is where it begins."""
    name = _CLASSES.get(kind)
    if kind == "mr":  # of two classes
        any_mr = gdb.Value(node.provider_object).cast(gdb.lookup_type("softndk::provider::AnyMr").pointer())
        if bool(any_mr["is_fast_"]):
            name = "softndk::provider::FastMr"
    kind_type = values.lookup_type(name) if name else None
    if kind_type is None:
        return None
    return gdb.Value(node.provider_object).cast(kind_type.pointer()).dereference()


def _more(kind, whole):
    if kind == "connector":
        return _connector(whole)
    if kind == "listener":
        words = [values.enum_word(whole["state_"])]
        local = values.optional(whole["local_"])
        return words + (["on " + address(local)] if local is not None else [])
    if kind == "mr":
        fast = bool(whole["is_fast_"])
        return (["for fast registration"] if fast else []) + [values.enum_word(whole["state_"])]
    if kind == "qp":
        return _qp(whole)
    if kind == "shared endpoint":
        return ["on " + address(whole["local_"])]
    return []


def _connector(whole):
    words = []
    state = values.enum_word(whole["state_"])
    if state != "closing":
        words.append(state)
    qp = values.pointer(whole["qp_"])
    if int(qp) != 0:
        words.append("over qp 0x%x" % (find_consumer_object(qp)))
    device = _device(whole)
    if device is not None:
        local = values.optional(device["local_"])
        peer = values.optional(device["peer_"])
        if local is not None and peer is not None:
            words.append("%s -> %s" % (address(local), address(peer)))
    return words


def find_consumer_object(provider_object):
    node = find(int(provider_object))
    return int(provider_object) if node is None else node.object


def _qp(whole):
    words = []
    device = _device(whole)
    if device is not None:
        for member, what in (("transmitter_", "initiator requests"), ("receiver_", "receives")):
            queue = device[member]["queue_"]
            count = values.number(queue["posted_"]) - values.number(queue["retired_"])
            words.append("%d %s outstanding" % (count, what))
    words.append("has a connector" if values.number(whole["bound_"]) else "no connector")
    return words


def _device(whole):
    """The software RNIC's object behind it; None for another device's."""
    held = values.pointer(whole["device_"])
    if held is None or int(held) == 0:
        return None
    inner = held.dereference()
    inner = inner.cast(inner.dynamic_type)
    return inner if "softndk::rnic::" in str(inner.type) else None


def address(value):
    """"10.0.0.1:445" of a softndk::Address."""
    octets = values.find_member(value["octets"], "_M_elems")
    raw = bytes(int(octets[i]) for i in range(16))
    port = int(value["port"])
    if values.enum_word(value["family"]) == "v4":
        return "%d.%d.%d.%d:%d" % (raw[0], raw[1], raw[2], raw[3], port)
    return ip6_text(raw, int(value["scope_id"]), port)


def ip6_text(raw, scope, port):
    import ipaddress

    host = str(ipaddress.IPv6Address(raw))
    return "[%s%s]:%d" % (host, "%%%d" % scope if scope else "", port)
