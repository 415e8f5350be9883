#!/usr/bin/env python3
"""One plot of a report.html as an SVG file of its own, with the page's colours for a light background and its legend.

    docs/plot.py reports/out/…/report.html server_wait_ms_p99 > docs/plan.svg

The second argument is the plot's name: the column that it shows. Without it the names are listed.
"""

import re
import sys
from html import escape, unescape


def main(page, name=None):
    text = open(page, encoding="utf-8").read()
    figures = re.findall(r"<figure[^>]*>.*?</figure>", text, re.S)
    named = {re.search(r'<title id="([^"]+)-t">', figure)[1]: figure for figure in figures}
    if name not in named:
        sys.exit("plots of this page: " + " ".join(named))
    figure = named[name]
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", text.split("@media")[0]))
    inside = re.search(r'<svg class="plot"[^>]*>(.*?)</svg>', figure, re.S)[1]
    title = unescape(re.search(r"<title[^>]*>(.*?)</title>", inside, re.S)[1])
    style = [
        f"text {{ fill: {colours['text']}; font: 30px system-ui, sans-serif; }}",
        f".g {{ stroke: {colours['rule']}; stroke-width: 2; }} .a {{ stroke: {colours['quiet']}; stroke-width: 2; }}",
        ".d { stroke-dasharray: 14 9; } .h { font-weight: 600; }",
    ]
    for ink in range(1, 9):
        style.append(f".s{ink} {{ stroke: {colours[f'c{ink}']}; }} .f{ink} {{ fill: {colours[f'c{ink}']}; }}")
    legend = re.search(r'<ul class="legend">(.*?)</ul>', figure, re.S)
    entries = re.findall(r'class="([^"]*s\d[^"]*)".*?</svg>\s*(.*?)</li>', legend[1], re.S) if legend else []
    lines = [f'<text class="h" x="10" y="36">{escape(title)}</text>', f'<g transform="translate(0 50)">{inside}</g>']
    for row, (classes, words) in enumerate(entries):
        y = 650 + 44 * row
        lines.append(f'<line class="{classes}" stroke-width="4" x1="160" x2="220" y1="{y - 10}" y2="{y - 10}"/>')
        lines.append(f'<text x="236" y="{y}">{words.strip()}</text>')
    height = 620 + 44 * len(entries) + 10
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {height}" width="700">')
    print("<style>" + " ".join(style) + '</style><rect width="100%" height="100%" fill="#fff"/>')
    print("\n".join(lines) + "\n</svg>")


main(*sys.argv[1:])
