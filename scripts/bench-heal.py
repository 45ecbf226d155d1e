#!/usr/bin/env python3
"""What a heal costs beside the runs of the tests themselves, on a case that the first candidate heals.

Makes the fixture `py-typo` (an uncommitted misspelt name that the interpreter itself corrects), heals it several times
and compares the wall time with the time during which the test command ran: the red run, triage's reruns (which go side
by side: time in which several run counts once) and the runs of one judging, all of it in the same heal. What is left is
ours: snapshot, workspaces, reading results, deciding. At most 0.5 s of it is allowed.

    scripts/bench-heal.py [--bin PATH] [--runs 5]
"""
import argparse
import datetime
import glob
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def git(folder, *args):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env[f"GIT_{who}_NAME"], env[f"GIT_{who}_EMAIL"] = "bench", "bench@example.com"
    subprocess.run(["git", *args], cwd=folder, env=env, check=True, capture_output=True)


def project(folder):
    source = os.path.join(ROOT, "fixtures/projects/py-typo")
    git(folder, "init", "-q", "-b", "main")
    for step in sorted(glob.glob(os.path.join(source, "history/*"))):
        shutil.copytree(step, folder, dirs_exist_ok=True)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", os.path.basename(step))
    shutil.copytree(os.path.join(source, "work"), folder, dirs_exist_ok=True)


def union(spans):
    """Seconds that at least one of the spans covers."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def span(event):
    """Start and end of a run of the test command, in seconds."""
    stamp = datetime.datetime.fromisoformat(event["time"][:26].rstrip("Z") + "+00:00")
    return stamp.timestamp() - event["ms"] / 1000, stamp.timestamp()


def one(binary):
    folder = tempfile.mkdtemp(prefix="bench-heal-")
    try:
        project(folder)
        began = time.monotonic()
        done = subprocess.run(
            [binary, "heal", "--json", "--fixers", "suggest"], cwd=folder, capture_output=True, text=True
        )
        wall = time.monotonic() - began
        assert done.returncode == 10, (done.returncode, done.stderr)
        [events] = glob.glob(os.path.join(folder, ".git/kaizen/runs/*/events.jsonl"))
        entries = [json.loads(line) for line in open(events)]
        runs = [e for e in entries if e["event"] == "suite_ended"]
        judged = {e["candidate"] for e in entries if e["event"] == "judge_started"}
        took = lambda *purposes: union(span(e) for e in runs if e["purpose"] in purposes)
        return wall, took("red"), took("rerun", "base"), took("judge", "without"), len(judged)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "target/release/kaizen-ci"))
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    args.bin = os.path.abspath(args.bin)
    rows = [one(args.bin) for _ in range(args.runs)]
    print("wall s   red run   reruns+base   judge's runs   beside them   candidates judged")
    for wall, red, again, judge, judged in rows:
        print(f"{wall:6.2f}   {red:7.2f}   {again:11.2f}   {judge:12.2f}   {wall - red - again - judge:+11.2f}   {judged}")
    beside = statistics.median(wall - red - again - judge for wall, red, again, judge, _ in rows)
    ratio = statistics.median(wall / (red + again + judge) for wall, red, again, judge, _ in rows)
    print(f"median beside the runs {beside:+.2f} s; wall / runs {ratio:.2f}")
    assert beside <= 0.5, "a heal may take 0.5 s beside the runs of the tests"


if __name__ == "__main__":
    main()
