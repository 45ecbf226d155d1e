#!/usr/bin/env python3
"""Measures *mutate* on the development sets in fixtures/bench: how many defects are healed, and how many rightly.

Every defect becomes a repository without history: the broken program and tests made of the `visible` expressions. The
program `kaizen-ci heal` gets nothing but the test command. A heal is *correct* when the healed program agrees with the
correct one on the `hidden` expressions too, *wrong* when the tests are green and it does not.

With `--unfit` nothing is wrong with the programs, but with their tests: `wrong` expects of one expression the value of
another one, `contradictory` expects both. The right answer is a report (*left alone*); a patch that is applied is *fooled*.

    scripts/mutate-eval.py [--bin PATH] [--set python|javascript|rust|crates] [--part dev|older|held|all] [--only NAME] [--limit N]
                           [--time-limit 60s] [--fixers mutate] [--json FILE] [--list] [--unfit wrong|contradictory]
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read_cases(language):
    """Programs with their expressions and defects."""
    programs, program, into = [], None, None
    for line in open(os.path.join(ROOT, "fixtures/bench", language + ".cases"), encoding="utf-8").read().split("\n"):
        if line.startswith("=== "):
            program = {"name": line[4:].strip(), "code": [], "visible": [], "hidden": [], "defects": []}
            programs.append(program)
            into = program["code"]
        elif line.startswith("--- defect"):
            words = line.split()[2:]
            defect = {"held": "held" in words, "older": "older" in words, "kind": words[-1], "lines": []}
            program["defects"].append(defect)
            into = defect["lines"]
        elif line.startswith("--- "):
            into = program[line[4:].strip()]
        elif program is not None:
            into.append(line)
    for program in programs:
        for part in ("visible", "hidden"):
            program[part] = [line for line in program[part] if line.strip()]
    return programs


def find(code, lines):
    return next((at for at in range(len(code) - len(lines) + 1) if code[at : at + len(lines)] == lines), None)


def broken(program, defect):
    """The program with the defect: the longest run of the defect's lines that stands in the code is replaced by the rest."""
    lines = defect["lines"]
    while len(lines) > 2 and not lines[-1].strip():
        lines = lines[:-1]
    for k in range(len(lines) - 1, 0, -1):
        at = find(program["code"], lines[:k])
        if at is not None:
            new = [line for line in lines[k:] if line.strip()]
            return "\n".join(program["code"][:at] + new + program["code"][at + k :])
    raise SystemExit(f"{program['name']}: the defect's lines are not in the program: {lines}")


class Python:
    """pytest, one test an expression."""

    command = f"{sys.executable} -m pytest -q"

    def values(self, code, expressions):
        """The value of each expression as text, or its exception's name; each within two seconds."""
        script = (
            "import json, signal, sys\n"
            "def late(*_): raise TimeoutError()\n"
            "signal.signal(signal.SIGALRM, late)\n"
            "scope = {'__name__': 'program'}\nexec(compile(sys.argv[1], 'program.py', 'exec'), scope)\nout = []\n"
            "for text in json.loads(sys.argv[2]):\n"
            "    signal.alarm(2)\n"
            "    try: out.append(repr(eval(text, scope)))\n"
            "    except BaseException as error: out.append('! ' + type(error).__name__)\n"
            "    signal.alarm(0)\n"
            "print(json.dumps(out))\n"
        )
        try:
            done = subprocess.run(
                [sys.executable, "-c", script, code, json.dumps(expressions)], capture_output=True, text=True, timeout=60
            )
            return json.loads(done.stdout.splitlines()[-1])
        except (subprocess.TimeoutExpired, IndexError, ValueError):
            return ["! broken"] * len(expressions)

    def write(self, folder, code, program, expected):
        names = sorted({n for e in program["visible"] for n in re.findall(r"\b([A-Za-z_]\w*)\(", e)})
        defined = [n for n in names if re.search(rf"^(def|class) {n}\b", code, re.M)]
        tests = [f"from program import {', '.join(defined)}\n"]
        for n, (expression, value) in enumerate(zip(program["visible"], expected)):
            tests.append(f"\n\ndef test_{program['name']}_{n + 1}():\n    assert {expression} == {value}\n")
        open(os.path.join(folder, "program.py"), "w").write(code)
        open(os.path.join(folder, "test_program.py"), "w").write("".join(tests))
        return "program.py"


class JavaScript:
    """node --test, one test an expression."""

    command = "node --test"

    def values(self, code, expressions):
        script = code.replace("export ", "") + "\nconst out = [];\n"
        for text in expressions:
            script += f"try {{ out.push(JSON.stringify({text}) ?? 'undefined') }} catch (e) {{ out.push('! ' + e.name) }}\n"
        script += "console.log(JSON.stringify(out));\n"
        try:
            done = subprocess.run(
                ["node", "--input-type=module", "-e", script], capture_output=True, text=True, timeout=10
            )
            return json.loads(done.stdout.splitlines()[-1])
        except (subprocess.TimeoutExpired, IndexError, ValueError):
            return ["! broken"] * len(expressions)

    def write(self, folder, code, program, expected):
        names = sorted({n for e in program["visible"] for n in re.findall(r"\b([A-Za-z_$]\w*)\(", e)})
        defined = [n for n in names if re.search(rf"^export (async )?(function|class|const) {n}\b", code, re.M)]
        tests = [
            'import assert from "node:assert/strict";\nimport { test } from "node:test";\n'
            f'import {{ {", ".join(defined)} }} from "./program.js";\n'
        ]
        for n, (expression, value) in enumerate(zip(program["visible"], expected)):
            tests.append(
                f'\ntest("{program["name"]} {n + 1}", () => {{\n  assert.deepEqual({expression}, {value});\n}});\n'
            )
        open(os.path.join(folder, "package.json"), "w").write('{ "name": "program", "type": "module" }\n')
        open(os.path.join(folder, "program.js"), "w").write(code)
        open(os.path.join(folder, "program.test.js"), "w").write("".join(tests))
        return "program.js"


class Rust:
    """cargo test, one test an expression; values compared as Debug text."""

    command = "cargo test --offline"

    def __init__(self):
        self.scratch = tempfile.mkdtemp(prefix="mutate-eval-rust-")

    def values(self, code, expressions):
        lines = "".join(f'    println!("{{:?}}", {e});\n' for e in expressions)
        source = os.path.join(self.scratch, "main.rs")
        open(source, "w").write("#![allow(dead_code)]\n" + code + f"\nfn main() {{\n{lines}}}\n")
        binary = os.path.join(self.scratch, "main")
        built = subprocess.run(["rustc", "-A", "warnings", "--edition", "2021", "-o", binary, source], capture_output=True)
        if built.returncode != 0:
            return ["! does not build"] * len(expressions)
        try:
            done = subprocess.run([binary], capture_output=True, text=True, timeout=10)
        except subprocess.TimeoutExpired:
            return ["! too slow"] * len(expressions)
        out = done.stdout.splitlines()
        return out + ["! panicked"] * (len(expressions) - len(out))

    def write(self, folder, code, program, expected):
        os.makedirs(os.path.join(folder, "src"))
        os.makedirs(os.path.join(folder, "tests"))
        manifest = '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n\n[workspace]\n'
        open(os.path.join(folder, "Cargo.toml"), "w").write(manifest)
        open(os.path.join(folder, ".gitignore"), "w").write("target\nCargo.lock\n")
        open(os.path.join(folder, "src/lib.rs"), "w").write(code)
        tests = ["use program::*;\n"]
        for n, (expression, value) in enumerate(zip(program["visible"], expected)):
            literal = json.dumps(value, ensure_ascii=False)
            tests.append(
                f"\n#[test]\nfn {program['name']}_{n + 1}() {{\n"
                f'    assert_eq!(format!("{{:?}}", {expression}), {literal});\n}}\n'
            )
        open(os.path.join(folder, "tests/program.rs"), "w").write("".join(tests))
        return "src/lib.rs"


class Crates:
    """Crates of several files with one wrong line: `cargo test`, judged by tests that the search never sees."""

    command = "cargo test --offline"

    @staticmethod
    def read():
        crates, into = [], None
        for line in open(os.path.join(ROOT, "fixtures/bench/crates.cases"), encoding="utf-8").read().split("\n"):
            words = line.split()
            if line.startswith("=== "):
                crates.append({"name": words[1], "files": {}, "hidden": [], "defects": []})
            elif line.startswith("--- file "):
                into = crates[-1]["files"].setdefault(words[2], [])
            elif line.startswith("--- hidden"):
                into = crates[-1]["hidden"]
            elif line.startswith("--- defect "):
                defect = {"held": "held" in words, "older": "older" in words, "kind": words[-1], "path": words[-2], "lines": []}
                crates[-1]["defects"].append(defect)
                into = defect["lines"]
            elif into is not None:
                into.append(line)
        return crates

    def measure(self, args, crate, defect):
        row = {"name": crate["name"], "kind": f"{defect['path']} {defect['kind']}", "held": defect["held"]}
        folder = tempfile.mkdtemp(prefix="mutate-eval-")
        try:
            for path, lines in crate["files"].items():
                if path == defect["path"]:
                    old, new = (line for line in defect["lines"] if line.strip())
                    assert lines.count(old) == 1, f"{path}: not there once: {old}"
                    lines = [new if line == old else line for line in lines]
                os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
                open(os.path.join(folder, path), "w").write("\n".join(lines).rstrip("\n") + "\n")
            open(os.path.join(folder, ".gitignore"), "w").write("target\nCargo.lock\n")
            git(folder, "init", "-q", "-b", "main")
            git(folder, "add", "-A")
            git(folder, "commit", "-q", "-m", "A crate")
            row, healed = heal(args, self.command, folder, row)

            def is_right():
                open(os.path.join(folder, "tests/hidden.rs"), "w").write("\n".join(crate["hidden"]))
                return subprocess.run(["cargo", "test", "-q", "--offline"], cwd=folder, capture_output=True).returncode == 0

            row["taken"] = is_right_if_taken(folder, row, is_right)
            if healed:
                row["diff"] = subprocess.run(["git", "diff", "-U0"], cwd=folder, capture_output=True, text=True).stdout
                row["outcome"] = "correct" if is_right() else "wrong"
            return row
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def heal(args, command, folder, row):
    """Runs kaizen-ci in a folder; the row with time, candidates and ending, and whether a patch was applied."""
    began = time.monotonic()
    argv = [args.bin, "heal", "--json", "--apply", "--cmd", command, "--fixers", args.fixers]
    argv += ["--time-limit", args.time_limit, "--max-tier", "1"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
    row["seconds"] = round(time.monotonic() - began, 2)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return {**row, "outcome": "failed", "why": done.stderr[-500:]}, False
    row["exit"] = done.returncode
    notes = [note for fixer in document.get("fixers", []) for note in fixer.get("notes", [])]
    row["behaviours"] = [note[len("behaviour of weight ") :] for note in notes if note.startswith("behaviour of weight ")]
    spoken = [float(note.rsplit(" ", 1)[1]) for note in notes if note.startswith("what speaks for the choice: ")]
    row["mass"] = spoken[0] if spoken else None
    cold = [run["ms"] / 1000 for run in document.get("suite_runs", []) if run["purpose"] == "red"]
    search = next((m for m in map(re.compile(r"(\d+) candidates in ([\d.]+) s").match, notes) if m), None)
    if cold and search and int(search[1]):
        row["cold"], row["warm"] = cold[0], float(search[2]) / int(search[1])
    row["candidates"] = sum(f.get("tried", 0) for f in document.get("fixers", []) if isinstance(f, dict))
    if document["outcome"] == "green":
        return {**row, "outcome": "not red"}, False
    row["outcome"] = {10: "not applied", 11: "ambiguous"}.get(done.returncode, "not healed")
    if row["outcome"] == "ambiguous":
        row["offered"] = document["heal"]["diff"]
    return row, done.returncode == 0


def is_right_if_taken(folder, row, is_right):
    """Would what was offered as doubtful have been right? Takes it; `None` where it can't be."""
    if "offered" not in row:
        return None
    taken = subprocess.run(["git", "apply", "-"], cwd=folder, input=row["offered"], capture_output=True, text=True)
    return is_right() if taken.returncode == 0 else None


LANGUAGES = {"python": Python, "javascript": JavaScript, "rust": Rust}


def git(folder, *args):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env[f"GIT_{who}_NAME"], env[f"GIT_{who}_EMAIL"] = "eval", "eval@example.com"
    subprocess.run(["git", *args], cwd=folder, env=env, check=True, capture_output=True)


def measure(args, language, program, defect):
    """One defect: healed? rightly? how long?"""
    good = "\n".join(program["code"]).rstrip("\n") + "\n"
    bad = broken(program, defect).rstrip("\n") + "\n"
    expected = language.values(good, program["visible"])
    truth = language.values(good, program["hidden"])
    assert not any(v.startswith("!") for v in expected + truth), f"{program['name']}: the correct program fails"
    row = {"name": program["name"], "kind": defect["kind"], "held": defect["held"]}
    if language.values(bad, program["visible"]) == expected:
        return {**row, "outcome": "not red"}
    folder = tempfile.mkdtemp(prefix="mutate-eval-")
    try:
        path = language.write(folder, bad, program, expected)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "A program")
        row, is_healed = heal(args, language.command, folder, row)
        is_right = lambda: language.values(open(os.path.join(folder, path)).read(), program["hidden"]) == truth
        row["taken"] = is_right_if_taken(folder, row, is_right)
        if is_healed:
            row["outcome"] = "correct" if is_right() else "wrong"
            row["diff"] = subprocess.run(["git", "diff", "-U0", path], cwd=folder, capture_output=True, text=True).stdout
        return row
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_unfit(args, language, program):
    """A correct program whose tests no correct program passes: is it left alone?"""
    good = "\n".join(program["code"]).rstrip("\n") + "\n"
    expected = language.values(good, program["visible"])
    row = {"name": program["name"], "kind": args.unfit, "held": False}
    other = next((v for v in expected[1:] if v != expected[0] and not v.startswith("!")), None)
    if other is None:
        return {**row, "outcome": "not red"}
    visible = program["visible"] + ([program["visible"][0]] if args.unfit == "contradictory" else [])
    expected = expected + [other] if args.unfit == "contradictory" else [other] + expected[1:]
    folder = tempfile.mkdtemp(prefix="mutate-eval-")
    try:
        path = language.write(folder, good, {**program, "visible": visible}, expected)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "A program")
        row, is_healed = heal(args, language.command, folder, row)
        if is_healed:
            row["outcome"] = "fooled"
            row["diff"] = subprocess.run(["git", "diff", "-U0", path], cwd=folder, capture_output=True, text=True).stdout
        elif row["outcome"] == "not healed":
            row["outcome"] = "left alone"
        return row
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report_unfit(rows):
    red = [r for r in rows if r["outcome"] != "not red"]
    count = lambda name: sum(r["outcome"] == name for r in red)
    print(f"\ncases {len(red)}  left alone {count('left alone')}  ambiguous {count('ambiguous')}  fooled {count('fooled')}")


def report(rows):
    red = [r for r in rows if r["outcome"] != "not red"]
    count = lambda *names: sum(r["outcome"] in names for r in red)
    seconds = sorted(r["seconds"] for r in red if "seconds" in r)
    tried = sum(r.get("candidates", 0) for r in red)
    green = count("correct", "wrong")
    print(f"\ncases {len(red)}  green {green}  correct {count('correct')}  wrong {count('wrong')}  "
          f"ambiguous {count('ambiguous')}  not healed {count('not healed', 'failed', 'not applied')}")
    if red:
        print(f"correct {100 * count('correct') / len(red):.0f} %  wrong of green {100 * count('wrong') / max(green, 1):.0f} %")
    if seconds:
        print(f"seconds median {statistics.median(seconds):.1f}  worst {seconds[-1]:.1f}  "
              f"candidates {tried}  per second {tried / max(sum(seconds), 0.001):.1f}")
    pairs = [(r["cold"], r["warm"]) for r in red if "cold" in r]
    if pairs:
        cold, warm = (statistics.median(column) for column in zip(*pairs))
        print(f"a run of the tests from the shell {cold:.2f} s, a candidate {warm:.3f} s (medians): {cold / warm:.0f} to 1")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "target/release/kaizen-ci"))
    parser.add_argument("--set", default="python", choices=[*sorted(LANGUAGES), "crates"])
    parser.add_argument("--part", default="dev", choices=["dev", "older", "held", "all"])
    parser.add_argument("--only", help="programs whose name contains this")
    parser.add_argument("--limit", type=int, help="at most this many cases")
    parser.add_argument("--time-limit", default="60s")
    parser.add_argument("--fixers", default="mutate")
    parser.add_argument("--json", help="write the rows to this file")
    parser.add_argument("--list", action="store_true", help="check and list the cases, heal nothing")
    parser.add_argument("--unfit", choices=["wrong", "contradictory"], help="right programs with tests that are not")
    args = parser.parse_args()
    if args.unfit and (args.set == "crates" or args.list):
        parser.error("--unfit needs a set of programs (python, javascript, rust), and lists nothing")
    language = Crates() if args.set == "crates" else LANGUAGES[args.set]()
    cases = [
        (program, defect)
        for program in (Crates.read() if args.set == "crates" else read_cases(args.set))
        for defect in program["defects"]
        if args.part == "all" or (defect["older"] if args.part == "older" else defect["held"] == (args.part == "held"))
        if not args.only or args.only in program["name"]
    ]
    if args.unfit:
        cases = list({program["name"]: (program, None) for program, _ in cases}.values())
    cases = cases[: args.limit]
    rows = []
    for program, defect in cases:
        if args.list and args.set == "crates":
            print(program["name"], defect["path"], defect["kind"])
            continue
        if args.list:
            good = "\n".join(program["code"])
            expected = language.values(good, program["visible"])
            same = language.values(broken(program, defect), program["visible"]) == expected
            bad = [e for e, v in zip(program["visible"] + program["hidden"],
                                     expected + language.values(good, program["hidden"])) if v.startswith("!")]
            print(program["name"], defect["kind"], "NOT RED" if same else "", f"FAILS: {bad}" if bad else "", flush=True)
            continue
        if args.unfit:
            row = measure_unfit(args, language, program)
        elif args.set == "crates":
            row = language.measure(args, program, defect)
        else:
            row = measure(args, language, program, defect)
        rows.append(row)
        taken = {None: "", True: ", right if taken", False: ", wrong if taken"}[row.get("taken")]
        print(f"{row['outcome']:<12} {row.get('seconds', 0):6.1f}s {row.get('candidates', 0):6} "
              f"{row['name']} ({row['kind']}){taken}", flush=True)
        if row["outcome"] in ("wrong", "failed", "fooled"):
            print(row.get("diff") or row.get("why"), flush=True)
    if not args.list:
        (report_unfit if args.unfit else report)(rows)
        if args.json:
            json.dump(rows, open(args.json, "w"), indent=1)


if __name__ == "__main__":
    main()
