#!/usr/bin/env python3
"""Turns tables of structure layouts into one source of static assertions that is C and C++ at once.

Usage: generate_layout_checks.py TABLE.csv... > checks.inc

Columns: struct, field, offset_bytes, size_bytes, source, version. A row whose field is "(sizeof)" gives the size of the
whole structure. Where a structure has several of those the largest is its size today; each smaller one is its size in an
older version, and is asserted as the offset of the first field that the newer version added.

Beside the assertions the source holds one array element for each row, so that the test program can compare their number
and their values with the table it reads itself.
"""
import csv
import sys

# Older sizes that end inside a member: the first added field belongs to the nested structure.
NESTED_FIRST_ADDED = {("NDIS_WMI_NDK_CAPABILITIES", "rev1"): "NdkInfo.RdmaTechnology"}


def read_rows(paths):
    for path in paths:
        with open(path, newline="") as table:
            yield from csv.DictReader(table)


def first_added_field(rows, row):
    size = int(row["size_bytes"])
    nested = NESTED_FIRST_ADDED.get((row["struct"], row["version"]))
    if nested:
        return nested
    for other in rows:
        if other["struct"] == row["struct"] and other["field"] != "(sizeof)" and int(other["offset_bytes"]) == size:
            return other["field"]
    raise SystemExit(f"{row['struct']} {row['version']}: no field begins at {size}")


def main():
    rows = list(read_rows(sys.argv[1:]))
    if not rows:
        raise SystemExit("no rows")
    largest = {}
    for row in rows:
        if row["field"] == "(sizeof)":
            largest[row["struct"]] = max(largest.get(row["struct"], 0), int(row["size_bytes"]))

    print("/* Generated from the layout tables. */")
    elements = []
    for row in rows:
        struct, field = row["struct"], row["field"]
        offset, size = int(row["offset_bytes"]), int(row["size_bytes"])
        name = f"{struct}.{field} ({row['version']})"
        if field != "(sizeof)":
            actual_offset = f"offsetof({struct}, {field})"
            actual_size = f"sizeof((({struct}*)0)->{field})"
        elif size == largest[struct]:
            actual_offset = "(size_t)0"
            actual_size = f"sizeof({struct})"
        else:
            actual_offset = "(size_t)0"
            actual_size = f"offsetof({struct}, {first_added_field(rows, row)})"
        print(f'SOFTNDK_STATIC_ASSERT({actual_offset} == {offset}, "{name}: offset");')
        print(f'SOFTNDK_STATIC_ASSERT({actual_size} == {size}, "{name}: size");')
        elements.append(f'    {{"{struct}", "{field}", {actual_offset}, {actual_size}}},')
    print("static const struct LayoutRow kLayoutRows[] = {")
    print("\n".join(elements))
    print("};")


if __name__ == "__main__":
    main()
