"""The command `info ndk`."""
import gdb

from . import objects, values


def _line(node):
    where = ""
    if node.created_by:
        where = "; created by " + values.code_place(node.created_by)
    name = node.kind if node.is_request else "%s 0x%x" % (node.kind, node.object)
    return "%s%s: %s%s" % ("  " * node.depth, name, node.state(), where)


class InfoNdk(gdb.Command):
    """Lists the live NDK objects of the program as a tree.

info ndk            all: adapters, what was created under them, and the requests that pend
info ndk OBJECT     one object, by the pointer that the driver holds: its state, what it hangs on, what hangs on it,
                    and the call stack that created it (kept if the setting object_stacks is on)"""

    def __init__(self):
        super().__init__("info ndk", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        del from_tty
        nodes = objects.live()
        if nodes is None:
            raise gdb.GdbError("No libsoftndk.so with debug information is loaded.")
        if argument.strip():
            self._one(argument, nodes)
            return
        if not nodes:
            print("No NDK object is open.")
        for node in nodes:
            print(_line(node))

    @staticmethod
    def _one(argument, nodes):
        wanted = int(gdb.parse_and_eval(argument))
        for position, node in enumerate(nodes):
            if node.is_request or wanted not in (node.object, node.provider_object):
                continue
            print("%s 0x%x, NDK %s: %s" % (node.kind, node.object, objects.version(node), node.state()))
            for above in objects.path(node):
                print("under %s 0x%x" % (above.kind, above.object))
            for below in nodes[position + 1:]:
                if below.depth <= node.depth:
                    break
                below.depth -= node.depth
                print(_line(below))
            if node.created_by:
                print("created by:")
            stack = node.stack() or ([node.created_by] if node.created_by else [])
            for number, frame in enumerate(stack):
                print("  #%-2d 0x%016x in %s" % (number, frame, values.code_place(frame)))
            if node.created_by and not node.stack():
                print("  (the rest was not kept: object_stacks is off)")
            return
        raise gdb.GdbError("0x%x is no live NDK object: never one, or closed." % wanted)


def register():
    InfoNdk()
