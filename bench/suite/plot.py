"""Plots as SVG text: lines over sizes, a distribution, ratios beside their bars. No library."""
import html
import math

# What always has the same colour; others take theirs in turn.
NAMED = {"raw TCP": "#444444", "framed": "#9a9a9a", "NDK send": "#0b6fb8", "NDK write": "#d1495b", "NDK read": "#2e933c",
         "NDK write, deferred": "#7b1e2b"}
COLOURS = ("#444444", "#0b6fb8", "#d1495b", "#2e933c", "#8f5fbf", "#e08e0b", "#17a2a2", "#a0522d", "#e377c2", "#9aa02c",
           "#5b7fff", "#c2a83e")
WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 220, 34, 46


def text(x, y, content, anchor="start", size=12, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {extra}>{html.escape(str(content))}</text>'


def frame(title, body, width=WIDTH, height=HEIGHT):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="sans-serif" fill="#222222"><rect width="100%" height="100%" fill="white"/>'
            + text(LEFT, 20, title, size=14, extra='font-weight="bold"') + "".join(body) + "</svg>")


def short(value):
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


class Axis:
    """A logarithmic scale with a mark at each power of `base`; or a linear one, for base 0."""

    def __init__(self, values, first, last, base=10):
        self.first, self.last, self.base = first, last, base
        low, high = min(values), max(values)
        if base:
            low, high = math.log(low, base), math.log(high, base)
            if base == 10:
                low, high = math.floor(low * 3) / 3, math.ceil(high * 3) / 3
        self.low, self.high = low, high if high > low else low + 1

    def at(self, value):
        scaled = math.log(value, self.base) if self.base else value
        return self.first + (scaled - self.low) / (self.high - self.low) * (self.last - self.first)

    def marks(self):
        if not self.base:
            return [self.low + (self.high - self.low) * part / 4 for part in range(5)]
        steps = (1, 2, 5) if self.high - self.low < 3 else (1,)
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        return [step * self.base ** power for power in powers for step in steps
                if self.low - 1e-9 <= math.log(step * self.base ** power, self.base) <= self.high + 1e-9]


def lines(title, series, x_label, y_label, x_text=short, x_values=None, x_base=2):
    """`series`: {name: [(x, y), ...]}; both axes logarithmic."""
    series = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in series.items()}
    series = {name: points for name, points in series.items() if points}
    if not series:
        return None
    xs = x_values or sorted({x for points in series.values() for x, _ in points})
    x_axis = Axis(xs, LEFT, WIDTH - RIGHT, x_base)
    y_axis = Axis([y for points in series.values() for _, y in points], HEIGHT - BOTTOM, TOP)
    body = []
    for mark in y_axis.marks():
        y = y_axis.at(mark)
        body.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        body.append(text(LEFT - 6, y + 4, short(mark), "end", 11))
    for mark in xs if x_base == 2 else x_axis.marks():
        x = x_axis.at(mark)
        body.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#eeeeee"/>')
        body.append(text(x, HEIGHT - BOTTOM + 16, x_text(mark), "middle", 11))
    body.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label, "middle"))
    body.append(text(14, (TOP + HEIGHT - BOTTOM) / 2, y_label, "middle",
                     extra=f'transform="rotate(-90 14 {(TOP + HEIGHT - BOTTOM) / 2})"'))
    for index, (name, points) in enumerate(series.items()):
        colour = NAMED.get(name, COLOURS[index % len(COLOURS)])
        dash = "" if name in NAMED else ' stroke-dasharray="5 3"'
        path = " ".join(f"{x_axis.at(x):.1f},{y_axis.at(y):.1f}" for x, y in sorted(points))
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if len(points) <= 24:
            body += [f'<circle cx="{x_axis.at(x):.1f}" cy="{y_axis.at(y):.1f}" r="2.6" fill="{colour}"/>'
                     for x, y in points]
        y = TOP + 8 + 18 * index
        body.append(f'<line x1="{WIDTH - RIGHT + 12}" x2="{WIDTH - RIGHT + 34}" y1="{y}" y2="{y}" stroke="{colour}" '
                    f'stroke-width="3"{dash}/>' + text(WIDTH - RIGHT + 40, y + 4, name))
    return frame(title, body)


def distribution(title, series, x_label):
    """`series`: {name: [(upper end, count), ...]}: the share of messages that took longer, down to one in 10,000."""
    tails = {}
    for name, steps in series.items():
        total = sum(count for _, count in steps)
        left, points = total, []
        for upper, count in steps:
            left -= count
            if left / total < 1e-4:
                break
            points.append((upper, left / total))
        tails[name] = points
    return lines(title, tails, x_label, "share that took longer", x_base=10)


def ratios(title, rows):
    """`rows`: (text, relation, limit, middle, low, high, met). Scaled so that the bar is 1 and better is right."""
    if not rows:
        return None
    left, right, step = 440, 60, 20
    width, height = 1000, TOP + step * len(rows) + 40
    scaled = []
    for label, relation, limit, middle, low, high, met in rows:
        turn = (lambda v, m=limit: v / m) if relation == ">=" else (lambda v, m=limit: m / v if v > 0 else 100)
        values = [min(max(turn(v), 0.01), 100) for v in (middle, low, high)]
        scaled.append((label, values, met))
    axis = Axis([v for _, values, _ in scaled for v in values] + [0.5, 2], left, width - right)
    body = []
    for mark in axis.marks():
        x = axis.at(mark)
        body.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 36}" stroke="#dddddd"/>')
        body.append(text(x, height - 20, short(mark), "middle", 11))
    x = axis.at(1)
    body.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{height - 36}" stroke="#222222" stroke-width="2"/>')
    body.append(text(x, height - 4, "the bar; further right is better", "middle", 11))
    for index, (label, (middle, low, high), met) in enumerate(scaled):
        y = TOP + step * index + 12
        colour = "#2e933c" if met else "#d1495b"
        body.append(text(left - 10, y + 4, label, "end", 11))
        body.append(f'<line x1="{axis.at(low):.1f}" x2="{axis.at(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
                    'stroke-width="3" opacity="0.4"/>')
        body.append(f'<circle cx="{axis.at(middle):.1f}" cy="{y}" r="4.5" fill="{colour}"/>')
    return frame(title, body, width, height)
