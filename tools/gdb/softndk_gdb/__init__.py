"""gdb extensions for SoftNDK."""
from . import commands, printers


def register():
    """May be called again: `source` after an edit, or two copies of the library."""
    printers.register()
    commands.register()
