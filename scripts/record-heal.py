#!/usr/bin/env python3
"""Records `kaizen-ci demo` in a terminal of its own and draws it as one animated SVG: the picture in the README.

    pip install pyte && scripts/record-heal.py [--bin PATH] [--out .github/heal.svg] [-- ARGS]
"""
import argparse
import html
import os
import pty
import select
import subprocess
import time

import pyte

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLUMNS, LINES = 100, 34
CELL_W, CELL_H = 8.4, 18
COLOURS = {
    "default": "#d7dae0", "black": "#3b4048", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#ffffff",
    "brightblack": "#7f8794", "brightred": "#ff7b86", "brightgreen": "#b5e890", "brightbrown": "#ffd68a",
    "brightblue": "#82c4ff", "brightmagenta": "#e0a0f0", "brightcyan": "#7fd8e4", "brightwhite": "#ffffff",
}


def record(command, step=0.12):
    """Screens with the second at which each was first seen; equal neighbours are one."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    subprocess.run(["stty", "rows", str(LINES), "columns", str(COLUMNS)], stdin=slave, check=True)
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, close_fds=True)
    os.close(slave)
    frames, began, last = [], time.monotonic(), None
    open_ = True
    while open_:
        until = time.monotonic() + step
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([master], [], [], left)
            if ready:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    data = b""
                if not data:
                    open_ = False
                    break
                stream.feed(data)
        picture = draw(screen)
        if picture != last:
            frames.append((time.monotonic() - began, picture))
            last = picture
    child.wait()
    return frames


def colour(name):
    if name in COLOURS:
        return COLOURS[name]
    return "#" + name if len(name) == 6 else COLOURS["default"]


def draw(screen):
    """The screen as SVG text elements, runs of one style together."""
    out = []
    for y in range(LINES):
        x = 0
        row = screen.buffer[y]
        while x < COLUMNS:
            cell = row[x]
            style = (cell.fg, cell.bg, cell.bold, cell.italics)
            text = ""
            start = x
            while x < COLUMNS and (row[x].fg, row[x].bg, row[x].bold, row[x].italics) == style:
                text += row[x].data
                x += 1
            if cell.bg != "default" and text:
                out.append(f'<rect x="{start * CELL_W:.1f}" y="{y * CELL_H}" width="{len(text) * CELL_W:.1f}" '
                           f'height="{CELL_H}" fill="{colour(cell.bg)}"/>')
            if text.strip():
                weight = ' font-weight="bold"' if cell.bold else ""
                shown = text.rstrip()
                out.append(f'<text x="{start * CELL_W:.1f}" y="{y * CELL_H + 13}" fill="{colour(cell.fg)}"{weight} '
                           f'textLength="{len(shown) * CELL_W:.1f}" xml:space="preserve">{html.escape(shown)}</text>')
    return "".join(out)


def svg(frames, hold=6.0, most=40):
    """One group a frame, shown in its time by CSS; the last frame is held, and is what is seen without animation."""
    if len(frames) > most:
        stride = len(frames) / most
        frames = [frames[int(i * stride)] for i in range(most - 1)] + [frames[-1]]
    total = frames[-1][0] + hold
    used = max((float(part.split('"')[0]) for _, f in frames for part in f.split(' y="')[1:]), default=100)
    width, height = COLUMNS * CELL_W + 24, min(LINES * CELL_H, used + CELL_H) + 24
    css, groups = [], []
    for i, (at, picture) in enumerate(frames):
        end = frames[i + 1][0] if i + 1 < len(frames) else total
        a, b = 100 * at / total, 100 * end / total
        last = i + 1 == len(frames)
        css.append(f"@keyframes f{i}{{0%{{opacity:{0 if at else 1}}}{a:.3f}%{{opacity:1}}"
                   + (f"100%{{opacity:1}}}}" if last else f"{b:.3f}%{{opacity:0}}100%{{opacity:0}}}}"))
        css.append(f"#f{i}{{opacity:{int(last)};animation:f{i} {total:.1f}s step-end infinite}}")
        groups.append(f'<g id="f{i}">{picture}</g>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
            f'aria-label="kaizen-ci heals a broken project in a terminal" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" '
            f'font-size="14"><style>{"".join(css)}</style><rect width="100%" height="100%" rx="8" fill="#1e2127"/>'
            f'<g transform="translate(12 12)">{"".join(groups)}</g></svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "target/release/kaizen-ci"))
    parser.add_argument("--out", default=os.path.join(ROOT, ".github/heal.svg"))
    parser.add_argument("args", nargs="*", default=["demo"])
    args = parser.parse_args()
    frames = record([args.bin, *args.args])
    open(args.out, "w").write(svg(frames))
    print(f"{len(frames)} frames, {frames[-1][0]:.1f} s, {os.path.getsize(args.out) // 1024} KiB: {args.out}")


if __name__ == "__main__":
    main()
