"""Taking values of the library's C++ apart by their debug information, not by offsets."""
import gdb


def lookup_type(name):
    """None where the library's debug information lacks it."""
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        return None


def symbol(name):
    """The value of a variable with static storage, also one of an anonymous namespace; None if there is none."""
    for look in (gdb.lookup_global_symbol, gdb.lookup_static_symbol):
        try:
            found = look(name)
        except gdb.error:
            found = None
        if found is not None:
            return found.value()
    try:
        return gdb.parse_and_eval("'%s'" % name)
    except gdb.error:
        return None


def leaf(value, codes):
    """The first member, however deep, whose type is of one of these codes; None if there is none."""
    kind = value.type.strip_typedefs()
    if kind.code in codes:
        return value
    if kind.code != gdb.TYPE_CODE_STRUCT:
        return None
    for field in kind.fields():
        if not hasattr(field, "bitpos"):  # static
            continue
        found = leaf(value[field], codes)
        if found is not None:
            return found
    return None


_NUMBERS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_CHAR)


def number(value):
    """Of an integer, a bool, an enumeration, or a std::atomic of one."""
    return int(leaf(value, _NUMBERS))


def pointer(value):
    """Of a pointer, a std::atomic of one, or a std::unique_ptr."""
    return leaf(value, (gdb.TYPE_CODE_PTR,))


def optional(value):
    """What is in a std::optional; None if it is empty."""
    payload = value["_M_payload"]
    engaged = find_member(payload, "_M_engaged")
    if engaged is None or not bool(engaged):
        return None
    inner = find_member(payload, "_M_payload")
    return find_member(inner, "_M_value")


def find_member(value, name):
    """The member of this name, in the value or a base of it."""
    kind = value.type.strip_typedefs()
    if kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return None
    for field in kind.fields():
        if field.name == name:
            return value[field]
    for field in kind.fields():
        if field.is_base_class or kind.code == gdb.TYPE_CODE_UNION:
            found = find_member(value[field], name)
            if found is not None:
                return found
    return None


def enum_word(value):
    """"connected" of softndk::provider::ConnectorState::connected, also inside a std::atomic."""
    return str(leaf(value, (gdb.TYPE_CODE_ENUM,))).rsplit("::", 1)[-1]


def code_place(address):
    """"driver_start+18 (driver.c:41)" of a code address."""
    address = int(address)
    if address == 0:
        return "unknown"
    # A return address belongs to the line of the call before it.
    before = address - 1
    block = gdb.block_for_pc(before)
    while block is not None and block.function is None:
        block = block.superblock
    sal = gdb.find_pc_line(before)
    where = ""
    if sal.symtab is not None and sal.line:
        where = " (%s:%d)" % (sal.symtab.filename.rsplit("/", 1)[-1], sal.line)
    if block is not None and block.function is not None:
        return "%s%s" % (block.function.print_name, where)
    text = gdb.execute("info symbol 0x%x" % address, to_string=True).strip()
    return "0x%x" % address if text.startswith("No symbol") else text


def text(value):
    """Of a char* or char[]."""
    return value.string("utf-8", "replace")
