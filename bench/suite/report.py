"""What a person reads: report.md, and report.html with the plots in it."""
from suite import bars
from suite.figures import Samples, median, size_text

RATIO = {"lower": min, "higher": max}


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


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def bars_table(results):
    rows, missing = [], 0
    for bar in bars.all_bars():
        verdict = bar.judge(results[bar.group]) if bar.group in results else None
        if verdict is None:
            missing += 1
            continue
        middle, low, high, met = verdict
        relation = "≥" if bar.relation == ">=" else "≤"
        rows.append([bar.text, f"{relation} {bar.limit:g}", number(middle), f"{number(low)} to {number(high)}",
                     "met" if met else "**not met**"])
    lines = table(["bar", "wanted", "ratio", "over the rounds", ""], rows)
    if missing:
        lines += ["", f"{missing} bars were not measured in this run."]
    return lines


def noise(results):
    """How far raw TCP's own figures lie apart: (median over the cells, the worst, where)."""
    found = []
    for name, samples in results.items():
        metric = samples.metric
        for cell in samples.cells():
            value = samples.spread(cell, "raw TCP", metric)
            if value is not None:
                found.append((value, f"{name}, {cell}"))
    if not found:
        return None
    worst, where = max(found)
    return median(value for value, _ in found), worst, where


def group_section(group, samples):
    lines = [f"## {group.title}", "", f"`{group.metric}`: the median of the rounds, (its spread), and x the reference round by round."]
    reference = group.entries[0][1][0].name
    who = samples.contestants()
    rows = []
    for cell in samples.cells():
        row = [cell]
        for name in who:
            value = samples.median(cell, name, group.metric)
            if value is None:
                row.append("-")
                continue
            text = number(value)
            if (apart := samples.spread(cell, name, group.metric)) is not None:
                text += f" (±{100 * apart / 2:.0f} %)"
            if name != reference and (ratio := median(samples.ratios(cell, name, (reference,), group.metric))):
                text += f" x{ratio:.2f}"
            row.append(text)
        rows.append(row)
    return lines + [""] + table(["", *who], rows) + [""]


def markdown(groups, stored, machine):
    results = {}
    for name, data in stored.items():
        results[name] = Samples(data["samples"])
        results[name].metric = next(group.metric for group in groups if group.name == name)
    lines = ["# Benchmark report", ""]
    lines += [f"{machine['processor']}, {machine['cpus']} CPUs, {machine['kernel']}; tree {machine['commit']}.", "",
              f"Loopback, congestion control {machine['congestion']} on every socket of every program. NDK with "
              "fpdu=stream and minimum completion latency 0; CRC off where not said otherwise.", ""]
    noisy = noise(results)
    if noisy:
        middle, worst, where = noisy
        lines += [f"**Noise**: raw TCP's own figures lie {100 * middle:.0f} % apart (quartiles over the median, in the "
                  f"median cell) and {100 * worst:.0f} % in the worst ({where}). A ratio nearer to its bar than that "
                  "says little.", ""]
    lines += ["## Bars", ""] + bars_table(results) + [""]
    for group in groups:
        if group.name in results:
            lines += group_section(group, results[group.name])
    return "\n".join(lines)
