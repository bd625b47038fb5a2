"""What a person reads: report.md with its plots beside it, and report.html with the plots in it."""
import html
import re

from suite import bars, plot
from suite.figures import Samples, median, size_text

METRICS = {
    "lat_p50_us": "median latency, us", "lat_p99_us": "latency that 1 in 100 exceeds, us",
    "bw_avg_mib_s": "bandwidth, MiB/s", "msg_rate_per_s": "messages a second",
    "cpu_s_per_gib": "processor seconds a GiB, both ends", "cpu_s_per_million": "processor seconds a million messages, "
    "both ends", "connections_per_s": "connections a second", "client_cpu_s": "processor seconds of the client",
    "server_cpu_s": "processor seconds of the server", "kib_each": "KiB a connection, client",
    "server_kib_each": "KiB a connection, server", "create_p50_us": "to make one, median, us",
    "create_p99_us": "to make one, 1 in 100 takes longer than, us", "close_p50_us": "to close one, median, us",
    "resident_bytes_each": "resident bytes each",
}


def number(value, digits=3):
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} M"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


UNDRAWN = ("raw TCP, blocking", "framed, copied", "framed, direct", "NDK send, deferred")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def verdicts(results):
    """(bar, what judge() says) of those that were measured, and how many were not."""
    judged = [(bar, bar.judge(results[bar.group]) if bar.group in results else None) for bar in bars.all_bars()]
    measured = [(bar, verdict) for bar, verdict in judged if verdict]
    return measured, len(judged) - len(measured)


def bars_table(measured, missing):
    rows = []
    for bar, (middle, low, high, met) in measured:
        relation = "≥" if bar.relation == ">=" else "≤"
        unit = f" {bar.unit}" if hasattr(bar, "unit") else ""
        rows.append([bar.text, f"{relation} {bar.limit:g}{unit}", number(middle), f"{number(low)} to {number(high)}",
                     "met" if met else "**not met**"])
    lines = table(["bar", "wanted", "seen", "over the rounds", ""], rows)
    met = sum(verdict[3] for _, verdict in measured)
    lines += ["", f"{met} of {len(measured)} met" + (f"; {missing} were not measured in this run." if missing else ".")]
    return lines


def noise(groups, results):
    """How far raw TCP's own figures lie apart: (median over the cells, the worst, where)."""
    found = []
    for group in groups:
        samples = results.get(group.name)
        for cell in samples.cells() if samples else []:
            value = samples.spread(cell, "raw TCP", group.metric)
            if value is not None:
                found.append((value, f"{group.name}, {cell}"))
    if not found:
        return None
    worst, where = max(found)
    return median(value for value, _ in found), worst, where


def group_table(group, samples, metric):
    """Contestants down, cells across: there are more of the former."""
    cells = samples.cells()
    reference = group.entries[0][1][0].name
    rows = []
    for who in samples.contestants():
        row = [who]
        for cell in cells:
            value = samples.median(cell, who, metric)
            if value is None:
                row.append("-")
                continue
            shown = number(value)
            if (apart := samples.spread(cell, who, metric)) is not None:
                shown += f" ±{100 * apart / 2:.0f}%"
            if who != reference and (ratio := median(samples.ratios(cell, who, reference, metric))):
                shown += f" (x{number(ratio)})"
            row.append(shown)
        if set(row[1:]) != {"-"}:
            rows.append(row)
    return table([METRICS.get(metric, metric), *cells], rows) if rows else []


def size_series(samples, cells, metric):
    """By contestant, over the sizes of `cells` (name: size). The tables have all; more than a dozen lines read as none."""
    return {who: [(size, value) for cell, size in cells.items() if (value := samples.median(cell, who, metric))]
            for who in samples.contestants() if who not in UNDRAWN and not who.endswith(", CRC")}


def size_plots(name, data, samples):
    cells = {cell: about["size_bytes"] for cell, about in data["cells"].items()}
    if name == "latency":
        exchanged = {cell: size for cell, size in cells.items() if data["cells"][cell]["kind"] == "latency"}
        yield "latency", plot.lines("Latency of one exchange, spinning: median", size_series(samples, exchanged, "lat_p50_us"),
                                    "bytes", "us one way", size_text)
        for size in ("64 B", "64 KiB"):
            pooled = {who: pool(samples, size, who) for who in samples.contestants(size)}
            yield f"latency-{size.replace(' ', '')}", plot.distribution(
                f"Distribution of latency, {size}, spinning, all rounds",
                {who: steps for who, steps in pooled.items() if steps}, "us one way")
    if name == "stream":
        yield "bandwidth", plot.lines("Bandwidth, one stream, polled", size_series(samples, cells, "bw_avg_mib_s"),
                                      "bytes a message", "MiB/s", size_text)
        yield "rate", plot.lines("Messages a second, one stream, polled", size_series(samples, cells, "msg_rate_per_s"),
                                 "bytes a message", "messages/s", size_text)
    if name == "connections":
        for size in sorted(set(cells.values())):
            counts = {cell: about["connections"] for cell, about in data["cells"].items() if about["size_bytes"] == size}
            yield f"connections-{size}", plot.lines(f"Messages of {size_text(size)} a second over connections",
                                                    size_series(samples, counts, "msg_rate_per_s"), "connections",
                                                    "messages/s", str)


def pool(samples, cell, who):
    """One distribution of all rounds."""
    total = {}
    for steps in samples.rounds(cell, who, "lat_histogram_us").values():
        for upper, count in steps:
            total[upper] = total.get(upper, 0) + count
    return sorted(total.items())


def write(directory, groups, stored):
    results = {name: Samples(data["samples"]) for name, data in stored.items()}
    machine = next(iter(stored.values()))["machine"]
    measured, missing = verdicts(results)
    lines = ["# Benchmark report", "", f"{machine['processor']}, {machine['cpus']} CPUs, {machine['kernel']}; "
             + ", ".join(machine["libfabric"] + machine["ucx"]).replace("# ", "").replace("fi_info: ", "libfabric ") + ".", "",
             f"Loopback, congestion control {machine['congestion']} on every socket of every program. NDK with fpdu=stream "
             "and minimum completion latency 0; CRC off where the name does not say CRC. How to read this, and why it is "
             "fair: bench/README.md.", ""]
    lines += table(["group", "when", "tree", "rounds", "command"],
                   [[name, data["date"], data["machine"]["commit"], data["rounds"], f"`{data['command']}`"]
                    for name, data in stored.items()]) + [""]
    if noisy := noise(groups, results):
        middle, worst, where = noisy
        lines += [f"**Noise**: raw TCP's own figures lie {100 * middle:.0f} % apart from round to round (quartiles over the "
                  f"median; the median cell), {100 * worst:.0f} % in the worst cell ({where}). Ratios are taken inside a "
                  "round and so are steadier; one that is nearer to its bar than its own rounds lie apart says little.", ""]
    plots = {"bars": plot.ratios("Every bar, scaled to 1", [(bar.text, bar.relation, bar.limit, *verdict)
                                                            for bar, verdict in measured])}
    lines += ["## Bars", ""] + bars_table(measured, missing) + ["", "![bars](bars.svg)", ""]
    for group in groups:
        if group.name not in results:
            continue
        samples, data = results[group.name], stored[group.name]
        lines += [f"## {group.title}", ""]
        for name, drawing in size_plots(group.name, data, samples):
            if drawing:
                plots[name] = drawing
                lines += [f"![{name}]({name}.svg)", ""]
        for metric in (group.metric, *group.also):
            if rows := group_table(group, samples, metric):
                lines += rows + [""]
        for failure in data["failures"]:
            lines += [f"Given up: {failure['contestant']}, {failure['cell']}: `{failure['text'][:300]}`", ""]
    for old in directory.glob("*.svg"):
        old.unlink()
    for name, drawing in plots.items():
        if drawing:
            (directory / f"{name}.svg").write_text(drawing + "\n")
    (directory / "report.md").write_text("\n".join(lines) + "\n")
    (directory / "report.html").write_text(as_html(lines, plots))


STYLE = """body { font: 14px/1.45 sans-serif; max-width: 1300px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; font-size: 12.5px; } td, th { border: 1px solid #ccc; padding: 3px 7px;
text-align: left; } th { background: #f3f3f3; } tr:nth-child(even) { background: #fafafa; } .no { color: #b3202c; font-weight: bold; }
code { background: #f3f3f3; } div.wide { overflow-x: auto; }"""


def inline(text):
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]*)\*\*", r'<span class="no">\1</span>' if "not met" in text else r"<b>\1</b>", text)


def as_html(lines, plots):
    """Of the little Markdown that this file writes."""
    body, rows = [], []

    def end_table():
        if rows:
            head, *rest = rows
            body.append('<div class="wide"><table><tr>' + "".join(f"<th>{inline(cell)}</th>" for cell in head) + "</tr>" + "".join(
                "<tr>" + "".join(f"<td>{inline(cell)}</td>" for cell in row) + "</tr>" for row in rest) + "</table></div>")
            rows.clear()

    for line in lines:
        if line.startswith("|"):
            if not line.startswith("|---"):
                rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        end_table()
        if match := re.fullmatch(r"!\[(.*)\]\(.*\)", line):
            body.append(plots.get(match[1]) or "")
        elif match := re.match(r"(#+) (.*)", line):
            level = len(match[1])
            body.append(f"<h{level}>{inline(match[2])}</h{level}>")
        elif line:
            body.append(f"<p>{inline(line)}</p>")
    end_table()
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Benchmark report</title><style>{STYLE}</style>'
            + "\n".join(body) + "</html>\n")
