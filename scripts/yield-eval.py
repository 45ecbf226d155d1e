#!/usr/bin/env python3
"""What the harness gets out of a model: verified heals of the fixers that ask it, against one bare question to the same model.

Forty single-function bugs of the development sets in fixtures/bench (yield.txt lists them: 30 Python, 10 JavaScript), each a
repository of its own.
The bare question shows the program, its tests and what they print, and asks once, at temperature 0, for the corrected file. The
harness is `kaizen-ci heal` with no fixer but those that ask models. Both are judged by the same judge (`kaizen-ci judge`, or the
judge inside of `heal`); expressions that neither sees say how many of the verified heals are right for other inputs, too.

    scripts/yield-eval.py --url http://127.0.0.1:18080/v1 [--bin target/release/kaizen-ci] [--ways bare,harness] [--limit N]
                          [--time-limit 5m] [--fixers minimal,contract,stepwise] [--log yield.jsonl] [--show]

Rows go to the log as they come, and what is in the log is not measured again: stop it and start it as you like. `--again WAY`
measures that way anew. The last lines compare both ways over the cases that both have.
"""
import argparse
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
spec = importlib.util.spec_from_file_location("mutate_eval", os.path.join(ROOT, "scripts/mutate-eval.py"))
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)

def cases():
    """The forty cases of fixtures/bench/yield.txt, in its order."""
    wanted = open(os.path.join(ROOT, "fixtures/bench/yield.txt"), encoding="utf-8").read().split()
    found = {}
    for name in ("python", "javascript"):
        for program in bench.read_cases(name):
            for defect in program["defects"]:
                found.setdefault(key(name, program, defect), (name, program, defect))
    return [found[one] for one in wanted]


def key(name, program, defect):
    mark = zlib.crc32("\n".join(program["code"] + defect["lines"]).encode()) % 1000
    return f"{name}/{program['name']}/{defect['kind']}/{mark:03}"


class Case:
    """One broken program as a repository."""

    def __init__(self, name, program, defect):
        self.language = bench.LANGUAGES[name]()
        good = "\n".join(program["code"]).rstrip("\n") + "\n"
        bad = bench.broken(program, defect).rstrip("\n") + "\n"
        self.program, self.expected = program, self.language.values(good, program["visible"])
        self.truth = self.language.values(good, program["hidden"])
        self.is_red = self.language.values(bad, program["visible"]) != self.expected
        self.folder = tempfile.mkdtemp(prefix="yield-eval-")
        self.path = self.language.write(self.folder, bad, program, self.expected)
        bench.git(self.folder, "init", "-q", "-b", "main")
        bench.git(self.folder, "add", "-A")
        bench.git(self.folder, "commit", "-q", "-m", "A program")

    def read(self, path):
        return open(os.path.join(self.folder, path), encoding="utf-8").read()

    def test_path(self):
        return next(f for f in sorted(os.listdir(self.folder)) if "test" in f and not f.startswith("."))

    def is_right(self):
        return self.language.values(self.read(self.path), self.program["hidden"]) == self.truth

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def ask(args, prompt):
    """One question: the answer's text and the tokens that the server counted."""
    body = {"model": args.model, "messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": 1200}
    request = urllib.request.Request(
        args.url + "/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as reply:
        answer = json.load(reply)
    usage = answer.get("usage") or {}
    return answer["choices"][0]["message"]["content"] or "", usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)


def bare(args, case):
    """The question that one would ask by hand."""
    done = subprocess.run(case.language.command, shell=True, cwd=case.folder, capture_output=True, text=True, timeout=120)
    output = (done.stdout + done.stderr)[-3000:]
    prompt = (
        f"The tests of this program fail. Fix the program.\n\n{case.path}:\n```\n{case.read(case.path)}```\n\n"
        f"{case.test_path()}:\n```\n{case.read(case.test_path())}```\n\nOutput of the tests:\n```\n{output}\n```\n\n"
        f"Answer with the whole corrected {case.path} in one code block."
    )
    answer, tokens_in, tokens_out = ask(args, prompt)
    blocks = re.findall(r"```[^\n]*\n(.*?)```", answer, re.S)
    row = {"turns": 1, "tokens_in": tokens_in, "tokens_out": tokens_out, "outcome": "not healed"}
    if not blocks:
        return {**row, "why": "no code block"}
    open(os.path.join(case.folder, case.path), "w").write(max(blocks, key=len))
    patch = subprocess.run(["git", "diff", case.path], cwd=case.folder, capture_output=True, text=True).stdout
    if not patch:
        return {**row, "why": "changes nothing"}
    right = case.is_right()
    bench.git(case.folder, "checkout", "-q", case.path)
    place = os.path.join(case.folder, ".git", "bare.patch")
    open(place, "w").write(patch)
    env = {**os.environ, "KAIZEN_MODELS": "off"}
    judge = [args.bin, "judge", place, "--json", "--cmd", case.language.command]
    judged = subprocess.run(judge, cwd=case.folder, capture_output=True, text=True, env=env)
    if judged.returncode == 0:
        return {**row, "outcome": "right" if right else "wrong", "diff": patch}
    try:
        why = json.loads(judged.stdout).get("verdict", "")
    except ValueError:
        why = judged.stderr[-300:]
    return {**row, "why": str(why)}


def harness(args, case):
    """The fixers that ask models, and nobody else."""
    env = {**os.environ, "KAIZEN_MODELS": "own", "KAIZEN_MODEL_URL": args.url}
    heal = [args.bin, "heal", "--json", "--apply", "--cmd", case.language.command, "--fixers", args.fixers]
    heal += ["--max-tier", "1", "--time-limit", args.time_limit, "--seed", "7"]
    done = subprocess.run(heal, cwd=case.folder, capture_output=True, text=True, env=env)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return {"turns": 0, "tokens_in": 0, "tokens_out": 0, "outcome": "failed", "why": done.stderr[-500:]}
    models = document.get("models", [])
    row = {
        "turns": sum(m["turns"] for m in models),
        "tokens_in": sum(m["prompt_tokens"] for m in models),
        "tokens_out": sum(m["answer_tokens"] for m in models),
        "outcome": "not healed",
        "fixers": {f["fixer"]: [f["ended"], f["tried"]] for f in document.get("fixers", [])},
    }
    if done.returncode == 0 and document.get("heal"):
        heal = document["heal"]
        return {**row, "outcome": "right" if case.is_right() else "wrong", "by": heal["candidate"], "diff": heal["diff"]}
    judged = [a["verdict"] for a in document.get("attempts", [])]
    return {**row, "why": document.get("headline", "")[:200], "judged": judged}


WAYS = {"bare": bare, "harness": harness}


def measured(log):
    rows = {}
    if os.path.exists(log):
        for line in open(log, encoding="utf-8"):
            row = json.loads(line)
            rows[row["case"], row["way"]] = row
    return rows


def report(rows, ways):
    ways = [w for w in ways if any(way == w for _, way in rows)]
    both = [c for c in sorted({case for case, _ in rows}) if all((c, w) in rows for w in ways)]
    print(f"\n{len(both)} cases measured in every way")
    print(f"{'way':<10} {'verified':>8} {'right':>6} {'median s':>9} {'total s':>8} {'turns':>6} {'tokens in':>10} {'out':>8} {'tokens per heal':>16}")
    healed = {}
    for way in ways:
        own = [rows[c, way] for c in both]
        good = [r for r in own if r["outcome"] in ("right", "wrong")]
        healed[way] = len(good)
        total = sum(r["tokens_in"] + r["tokens_out"] for r in own)
        seconds = [r["seconds"] for r in own]
        print(
            f"{way:<10} {len(good):>8} {sum(r['outcome'] == 'right' for r in own):>6} {statistics.median(seconds or [0]):>9.1f} "
            f"{sum(seconds):>8.0f} {sum(r['turns'] for r in own):>6} {sum(r['tokens_in'] for r in own):>10} "
            f"{sum(r['tokens_out'] for r in own):>8} {total / max(len(good), 1):>16.0f}"
        )
    if {"bare", "harness"} <= set(healed):
        left = len(both) - healed["bare"], len(both) - healed["harness"]
        print(f"harness / bare {healed['harness'] / max(healed['bare'], 1):.2f}; left over {left[0]} → {left[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:18080/v1")
    parser.add_argument("--model", default="", help="the model's name (default: the first that the server lists)")
    parser.add_argument("--bin", default=os.path.join(ROOT, "target/release/kaizen-ci"))
    parser.add_argument("--ways", default="bare,harness")
    parser.add_argument("--fixers", default="minimal,regression,contract,stepwise")
    parser.add_argument("--time-limit", default="5m")
    parser.add_argument("--limit", type=int, help="at most this many cases")
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--log", default="yield.jsonl")
    parser.add_argument("--again", choices=sorted(WAYS), help="measure this way anew")
    parser.add_argument("--list", action="store_true", help="list the cases and check that they are red; ask nobody")
    parser.add_argument("--report", action="store_true", help="only compare what is in the log")
    parser.add_argument("--show", action="store_true", help="show the patches")
    args = parser.parse_args()
    args.bin = os.path.abspath(args.bin)
    ways = args.ways.split(",")
    rows = measured(args.log)
    if args.report:
        return report(rows, ways)
    chosen = [c for c in cases() if not args.only or args.only in key(*c)][: args.limit]
    if not args.list and not args.model:
        with urllib.request.urlopen(args.url + "/models", timeout=10) as reply:
            args.model = json.load(reply)["data"][0]["id"]
    for one in chosen:
        name = key(*one)
        if args.list:
            case = Case(*one)
            print(name, "" if case.is_red else "NOT RED", flush=True)
            case.close()
            continue
        for way in ways:
            if (name, way) in rows and args.again != way:
                continue
            case = Case(*one)
            try:
                began = time.monotonic()
                row = WAYS[way](args, case)
                row = {"case": name, "way": way, "seconds": round(time.monotonic() - began, 1), **row}
            finally:
                case.close()
            rows[name, way] = row
            with open(args.log, "a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            tokens = row["tokens_in"] + row["tokens_out"]
            print(f"{row['outcome']:<10} {row['seconds']:6.1f}s {row['turns']:3} turns {tokens:6} tokens  {way:<8} {name}"
                  f"  {row.get('by', row.get('why', ''))}", flush=True)
            if args.show and "diff" in row:
                print(row["diff"], flush=True)
    if not args.list:
        report(rows, ways)


if __name__ == "__main__":
    main()
