// A warm runner for `node --test` suites, for kaizen-ci's search-based repair. Started once per core; speaks JSON lines.
//
// The main thread keeps time and the workspace; a worker thread loads the project's modules anew for every candidate
// (with loaders of our own, so that nothing of the one before is left) and calls the test functions that a stand-in for
// `node:test` collects. A worker that hangs, exits, or finds its globals or its packages changed is thrown
// away. What is green here is run again by the suite's own command before it counts.
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { createRequire, builtinModules } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as fs from "node:fs";
import * as path from "node:path";
import vm from "node:vm";
import v8 from "node:v8";
import { inspect } from "node:util";

const SKIP = new Set([".git", "node_modules", ".nyc_output", "coverage"]);
const KEEP_FILE_BYTES = 1 << 20;
const MOST_FILES = 3000;
const WORKER_RUNS = 150;

// ---------------------------------------------------------------- the worker: one candidate after the other

/** A stand-in for `node:test` that collects tests in place of running them. */
function collector(file, report) {
  const top = { name: null, suite: true, entries: [], before: [], after: [], beforeEach: [], afterEach: [], parent: null };
  let here = top;
  const tidy = (name, options, fn) => {
    if (typeof name === "function") [name, options, fn] = [name.name, {}, name];
    else if (name !== null && typeof name === "object") [name, options, fn] = [options?.name ?? "", name, options];
    if (typeof options === "function") [options, fn] = [{}, options];
    return { name: String(name ?? fn?.name ?? "<anonymous>") || "<anonymous>", options: options ?? {}, fn };
  };
  const add = (forced, suite) => (a, b, c) => {
    const { name, options, fn } = tidy(a, b, c);
    const entry = { name, fn, suite, parent: here, entries: [], before: [], after: [], beforeEach: [], afterEach: [],
      off: Boolean(options.skip || options.todo || forced || !fn) };
    here.entries.push(entry);
    if (suite && fn && !entry.off) {
      here = entry;
      try {
        const result = fn({ name });
        if (result && typeof result.then === "function") entry.pending = result;
      } catch (error) {
        entry.broken = error;
      } finally {
        here = entry.parent;
      }
    }
    return Promise.resolve();
  };
  const kind = (suite) => Object.assign(add(false, suite), { skip: add(true, suite), todo: add(true, suite), only: add(false, suite) });
  const hook = (name) => (fn) => { here[name].push(fn); };
  const test = kind(false), suite = kind(true);
  const api = { test, it: test, describe: suite, suite };
  for (const name of ["before", "after", "beforeEach", "afterEach"]) api[name] = hook(name);
  Object.assign(test, api);

  const seen = new Map();
  const idOf = (entry) => {
    const names = [];
    for (let at = entry; at.parent; at = at.parent) names.unshift(at.name);
    const id = [file, ...names].join(" > ");
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    return count === 1 ? id : `${id} #${count}`;
  };
  const outer = (entry) => { const all = []; for (let at = entry; at; at = at.parent) all.unshift(at); return all; };

  async function runTest(entry, real) {
    const id = idOf(entry);
    if (entry.off || !report.wants(id)) return true;
    report.start(id);
    let failure = null;
    const own = { after: [], beforeEach: [], afterEach: [] };
    const t = {
      name: entry.name, signal: new AbortController().signal, mock: real.mock, assert: real.assert,
      diagnostic() {}, plan() {}, skip() {}, todo() {}, runOnly() {}, before: (fn) => fn(t),
      after: (fn) => own.after.push(fn), beforeEach: (fn) => own.beforeEach.push(fn), afterEach: (fn) => own.afterEach.push(fn),
      async test(a, b, c) {
        const { name, options, fn } = tidy(a, b, c);
        const inner = { name, fn, parent: entry, off: Boolean(options.skip || options.todo || !fn), beforeEach: [], afterEach: [] };
        for (const before of own.beforeEach) await before(t);
        if (!(await runTest(inner, real))) failure ??= new Error("a subtest failed");
        for (const after of own.afterEach) await after(t);
      },
    };
    try {
      for (const level of outer(entry)) for (const fn of level.beforeEach ?? []) await call(fn, t);
      await call(entry.fn, t);
    } catch (error) {
      failure ??= error ?? new Error("thrown nothing");
    }
    try {
      for (const level of outer(entry).reverse()) for (const fn of level.afterEach ?? []) await call(fn, t);
      for (const fn of own.after) await call(fn, t);
    } catch (error) {
      failure ??= error ?? new Error("thrown nothing");
    }
    real.mock?.reset?.();
    failure ??= report.stray();
    report.end(id, failure);
    await report.settle?.(id);
    return failure === null;
  }

  const call = (fn, t) => fn.length < 2 ? fn(t) : new Promise((yes, no) => fn(t, (error) => (error ? no(error) : yes())));

  async function runSuite(entry, real) {
    if (entry.off) return;
    await entry.pending;
    let broken = entry.broken ?? null;
    try {
      for (const fn of entry.before) await fn({});
    } catch (error) {
      broken ??= error;
    }
    for (const inner of entry.entries) {
      if (report.over()) return;
      if (broken) inner.fn = () => { throw broken; };
      if (inner.suite) await runSuite(inner, real);
      else await runTest(inner, real);
    }
    for (const fn of entry.after) await fn({});
  }

  return { api, run: (real) => runSuite(top, real) };
}

/** Loads project modules anew, everything else as node does. */
class Loader {
  constructor(top, api, realTest, recorder = null) {
    this.recorder = recorder;
    this.top = top + path.sep;
    this.api = api;
    this.realTest = realTest;
    this.modules = new Map();
    this.required = new Map();
    this.types = new Map();
  }

  mine(file) {
    return file.startsWith(this.top) && !file.includes(`${path.sep}node_modules${path.sep}`);
  }

  isModule(file) {
    if (file.endsWith(".mjs")) return true;
    if (!file.endsWith(".js")) return false;
    let folder = path.dirname(file);
    for (;;) {
      if (!this.types.has(folder)) {
        let type = null;
        try {
          type = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).type ?? "commonjs";
        } catch { /* no package here */ }
        this.types.set(folder, type);
      }
      const type = this.types.get(folder);
      if (type !== null) return type === "module";
      const up = path.dirname(folder);
      if (up === folder) return false;
      folder = up;
    }
  }

  /** A builtin's name, a file, or null for what node has to find itself. */
  resolve(specifier, from) {
    const bare = specifier.replace(/^node:/, "");
    if (specifier.startsWith("node:") || builtinModules.includes(bare)) return { builtin: `node:${bare}` };
    if (specifier.startsWith("file:")) return { file: fileURLToPath(specifier) };
    if (specifier.startsWith(".") || specifier.startsWith("/")) {
      const file = path.resolve(path.dirname(from), specifier);
      if (fs.existsSync(file) && fs.statSync(file).isFile()) return { file };
    }
    return { file: createRequire(from).resolve(specifier) };
  }

  synthetic(values) {
    const names = [...new Set([...Object.keys(values), "default"])];
    const module = new vm.SyntheticModule(names, () => {
      for (const name of names) module.setExport(name, name === "default" && !("default" in values) ? values : values[name]);
    });
    return module;
  }

  async import(specifier, from) {
    const found = this.resolve(specifier, from);
    if (this.recorder?.listens(from, found.file) && this.mine(found.file) && this.isModule(found.file)) {
      const real = await this.load(found);
      await this.ready(real);
      return this.synthetic(this.recorder.wrapped(found.file, { ...real.namespace }));
    }
    return this.load(found);
  }

  load(found) {
    const key = found.builtin ?? found.file;
    if (!this.modules.has(key)) this.modules.set(key, this.make(found));
    return this.modules.get(key);
  }

  async make({ builtin, file }) {
    if (builtin === "node:test") return this.synthetic({ ...this.realTest, ...this.api, default: this.api.test });
    if (builtin || !this.mine(file)) {
      const namespace = await import(builtin ?? pathToFileURL(file).href);
      common(namespace.default);
      return this.synthetic({ ...namespace });
    }
    if (!this.isModule(file)) {
      const exports = this.require(file);
      const named = exports !== null && (typeof exports === "object" || typeof exports === "function") ? exports : {};
      return this.synthetic({ ...named, default: exports });
    }
    const url = pathToFileURL(file).href;
    return new vm.SourceTextModule(fs.readFileSync(file, "utf8"), {
      identifier: url,
      initializeImportMeta: (meta) => Object.assign(meta, { url, filename: file, dirname: path.dirname(file), main: false }),
      importModuleDynamically: async (specifier) => {
        const module = await this.import(specifier, file);
        await this.ready(module);
        return module;
      },
    });
  }

  async ready(module) {
    const link = (specifier, from) => this.import(specifier, fileURLToPath(from.identifier));
    if (module.status === "unlinked") await module.link(link);
    if (module.status === "linked" || module.status === "evaluated") await module.evaluate();
    if (module.status === "errored") throw module.error;
  }

  /** CommonJS. */
  require(file) {
    if (this.required.has(file)) return this.required.get(file).exports;
    const real = createRequire(file);
    if (!this.mine(file) || file.endsWith(".node")) return common(real(file));
    if (file.endsWith(".json")) return JSON.parse(fs.readFileSync(file, "utf8"));
    const module = { exports: {}, id: file, filename: file, loaded: false, children: [], paths: [] };
    this.required.set(file, module);
    const require = (specifier) => {
      const found = this.resolve(specifier, file);
      if (found.builtin === "node:test") return Object.assign(this.api.test, this.realTest, this.api);
      if (found.builtin) return common(real(found.builtin));
      const exports = this.require(found.file);
      return this.recorder?.listens(file, found.file) && this.mine(found.file) ? this.recorder.wrapped(found.file, exports) : exports;
    };
    Object.assign(require, { resolve: real.resolve, cache: {}, main: undefined });
    const text = fs.readFileSync(file, "utf8").replace(/^#!.*/, "");
    const code = vm.compileFunction(text, ["exports", "require", "module", "__filename", "__dirname"], {
      filename: pathToFileURL(file).href,
      importModuleDynamically: async (specifier) => {
        const inner = await this.import(specifier, file);
        await this.ready(inner);
        return inner;
      },
    });
    code.call(module.exports, module.exports, require, module, file, path.dirname(file));
    module.loaded = true;
    return module.exports;
  }

  async start(file) {
    if (!this.isModule(file)) return void this.require(file);
    await this.ready(await this.import(file, file));
  }
}

/** Records the calls that test files make into other files of the project: arguments as they were. */
class Recorder {
  constructor(top, tests) {
    this.top = top;
    this.tests = tests;
    this.calls = [];
    this.seen = new Set();
  }

  listens(from, to) {
    return to !== undefined && this.tests.has(from) && !this.tests.has(to);
  }

  wrapped(file, exports) {
    const name = path.relative(this.top, file);
    if (typeof exports === "function") return this.wrap(name, "", exports);
    if (exports === null || typeof exports !== "object") return exports;
    const out = {};
    for (const key of Object.keys(exports)) out[key] = this.wrap(name, key, exports[key]);
    return out;
  }

  wrap(file, key, value) {
    if (typeof value !== "function" || /^class\b/.test(Function.prototype.toString.call(value))) return value;
    const recorder = this;
    const kept = function (...args) {
      recorder.note(file, key, args);
      return new.target ? Reflect.construct(value, args) : value.apply(this, args);
    };
    Object.defineProperty(kept, "name", { value: value.name });
    Object.defineProperty(kept, "length", { value: value.length });
    return Object.assign(kept, value);
  }

  note(file, key, args) {
    if (this.calls.length >= RECORD_CALLS) return;
    try {
      const packed = pack(file, key, args);
      if (this.seen.has(packed)) return;
      this.seen.add(packed);
      this.calls.push({ file, key, args: unpack(packed).args, packed });
    } catch { /* functions and the like can't be kept */ }
  }
}

const RECORD_CALLS = 120, RECORD_BYTES = 1 << 16;

function pack(file, key, args) {
  const data = v8.serialize(args);
  if (data.length > RECORD_BYTES) throw new RangeError("too long");
  return JSON.stringify([file, key, data.toString("base64")]);
}

function unpack(packed) {
  const [file, key, data] = JSON.parse(packed);
  return { file, key, args: v8.deserialize(Buffer.from(data, "base64")) };
}

/** A generator of numbers below 1 that depends on nothing but the seed. */
function random(seed) {
  let state = (Number(seed) ^ 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const copied = (value) => v8.deserialize(v8.serialize(value));
const kindOf = (value) => value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
const leaves = (value, depth = 0) => value !== null && typeof value === "object" && depth < 5
  ? Object.values(value).flatMap((inner) => leaves(inner, depth + 1)) : [value];
const inOrder = (list) => list.every((value, at) => at === 0 || list[at - 1] <= value);

/** What all values of one argument in the tests have in common; a further input keeps it. */
class Shape {
  constructor(values) {
    this.kinds = new Set(values.map(kindOf));
    const numbers = values.flatMap((v) => leaves(v)).filter((v) => typeof v === "number" && Number.isFinite(v));
    this.least = Math.min(...numbers);
    this.most = Math.max(...numbers);
    this.whole = numbers.every(Number.isInteger);
    this.strings = values.flatMap((v) => leaves(v)).filter((v) => typeof v === "string");
    this.letters = [...new Set(this.strings.join(""))].sort();
    const sized = values.filter((v) => typeof v === "string" || Array.isArray(v));
    this.filled = sized.length > 0 && sized.every((v) => v.length > 0);
    const long = values.filter((v) => Array.isArray(v) && v.length > 1);
    this.sorted = long.length > 0 && long.every(inOrder);
    this.distinct = long.length > 0 && long.every((v) => new Set(v.map((x) => inspect(x))).size === v.length);
  }

  fits(value) {
    if (!this.kinds.has(kindOf(value))) return false;
    for (const leaf of leaves(value)) {
      if (typeof leaf === "number" && Number.isFinite(this.least)) {
        if ((this.least >= 1 && leaf < 1) || (this.least >= 0 && leaf < 0) || (this.whole && !Number.isInteger(leaf))) return false;
        if (Math.abs(leaf) > 4 * Math.max(Math.abs(this.most), Math.abs(this.least), 8)) return false;
      }
      if (typeof leaf === "string" && this.letters.length > 0 && [...leaf].some((letter) => !this.letters.includes(letter))) return false;
    }
    if (this.filled && (typeof value === "string" || Array.isArray(value)) && value.length === 0) return false;
    if (Array.isArray(value)) {
      if (this.sorted && !inOrder(value)) return false;
      if (this.distinct && new Set(value.map((x) => inspect(x))).size !== value.length) return false;
    }
    return true;
  }
}

/** What holds between two arguments in every call of the tests. */
function together(calls) {
  const rules = [];
  const size = calls[0].length;
  const known = [
    (a, b) => Array.isArray(a) && Array.isArray(b) && a.length === b.length,
    (a, b) => typeof a === "number" && (Array.isArray(b) || typeof b === "string") && a <= b.length,
    (a, b) => typeof a === "number" && typeof b === "number" && a <= b,
  ];
  if (calls.length < 2) return () => true;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      for (const rule of known) if (i !== j && calls.every((call) => rule(call[i], call[j]))) rules.push([rule, i, j]);
    }
  }
  return (args) => rules.every(([rule, i, j]) => rule(args[i], args[j]));
}

/** A value like `value`, a little different. */
function mutated(value, rng, shape, depth = 0) {
  const pick = (list) => list[Math.floor(rng() * list.length)];
  const below = (n) => Math.floor(rng() * n);
  switch (kindOf(value)) {
    case "boolean": return !value;
    case "number": {
      const pool = [value + 1, value - 1, 0, 1, -value, value * 2, value + 2 + below(7), Math.floor(value / 2)];
      if (shape && Number.isFinite(shape.least)) {
        for (let n = 0; n < 4; n++) pool.push(shape.least + below(Math.floor(shape.most - shape.least) + 1));
      }
      return pick(pool);
    }
    case "string": {
      const letters = shape?.letters.length ? shape.letters : [...new Set(value), "a"];
      const at = below(value.length + 1), other = shape?.strings.length ? pick(shape.strings) : value;
      return pick([value.slice(0, -1), value.slice(1), value + value, [...value].reverse().join(""), "",
        value.slice(0, at) + pick(letters) + value.slice(at), value.slice(0, at) + value.slice(at + 1),
        value.slice(0, at) + other.slice(at), value + other, value.trim(),
        Array.from({ length: 1 + below(value.length + 2) }, () => pick(letters)).join("")]);
    }
    case "array": {
      const list = [...value];
      if (list.length === 0 || depth > 4) return list;
      switch (below(8)) {
        case 0: list.splice(below(list.length), 1); break;
        case 1: list.splice(below(list.length + 1), 0, copied(pick(list))); break;
        case 2: list.reverse(); break;
        case 3: list.sort(() => rng() - 0.5); break;
        case 4: list.push(...copied(list)); break;
        case 5: list.length = below(list.length + 1); break;
        default: {
          const at = below(list.length);
          list[at] = mutated(list[at], rng, shape, depth + 1);
        }
      }
      if (depth === 0 && shape?.sorted) list.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      return list;
    }
    case "object": {
      if (Object.getPrototypeOf(value) !== Object.prototype || depth > 4) return value;
      const out = { ...value }, keys = Object.keys(out);
      if (keys.length === 0) return out;
      const key = pick(keys);
      if (rng() < 0.3) delete out[key];
      else out[key] = mutated(out[key], rng, null, depth + 1);
      return out;
    }
    default: return value;
  }
}

/** Further calls near those of the tests. */
function variants(calls, most, seed) {
  const groups = new Map();
  for (const call of calls) {
    const key = JSON.stringify([call.file, call.key, call.args.length]);
    groups.set(key, [...(groups.get(key) ?? []), call]);
  }
  const seen = new Set(calls.map((call) => call.packed)), out = [];
  const share = Math.max(10, Math.floor(most / Math.max(1, groups.size)));
  let number = 0;
  for (const key of [...groups.keys()].sort()) {
    const group = groups.get(key), size = group[0].args.length, rng = random(seed + (number += 1));
    if (size === 0) continue;
    const shapes = Array.from({ length: size }, (_, at) => new Shape(group.map((call) => call.args[at])));
    const holds = together(group.map((call) => call.args));
    for (let made = 0, tries = 0; made < share && tries < share * 12; tries++) {
      const args = copied(group[Math.floor(rng() * group.length)].args);
      for (let n = rng() < 0.7 ? 1 : 2; n > 0; n--) {
        const at = Math.floor(rng() * size);
        args[at] = rng() < 0.2 ? copied(group[Math.floor(rng() * group.length)].args[at]) : mutated(args[at], rng, shapes[at]);
      }
      if (!shapes.every((shape, at) => shape.fits(args[at])) || !holds(args)) continue;
      const packed = pack(group[0].file, group[0].key, args);
      if (seen.has(packed)) continue;
      seen.add(packed);
      out.push(packed);
      made += 1;
    }
  }
  return out.slice(0, most * 3);
}

/** Text that is equal for values that tests would call equal. */
const canon = (value) => inspect(value, { depth: 12, sorted: true, maxArrayLength: 2000, maxStringLength: 10000, breakLength: Infinity, compact: true });

/** Calls functions of a candidate, one after the other; each answer is posted when it is there. */
async function behave(request, realTest) {
  const { api } = collector("", { wants: () => false });
  const loader = new Loader(request.top, api, realTest);
  for (const number of request.numbers) {
    const { file, key, args } = unpack(request.calls[number]);
    const asked = `${key || path.basename(file)}(${args.map(canon).join(", ")})`.slice(0, 160);
    parentPort.postMessage({ start: number });
    let text, kind = "=";
    try {
      const absolute = path.join(request.top, file);
      let target;
      if (loader.isModule(absolute)) {
        const module = await loader.import(pathToFileURL(absolute).href, absolute);
        await loader.ready(module);
        target = module.namespace[key];
      } else {
        const exports = loader.require(absolute);
        target = key === "" ? exports : exports[key];
      }
      let value = target(...args);
      if (value && typeof value.then === "function") {
        value = await Promise.race([value, new Promise((_, no) => setTimeout(() => no(new Error("late")), 200))]);
      }
      if (value && typeof value.next === "function") {
        const all = [];
        for (const one of value) if (all.push(one) >= 1000) break;
        value = all;
      }
      text = canon(value);
    } catch (error) {
      [text, kind] = [`! ${error?.name ?? "Error"}`, "!"];
    }
    let after = "";
    try {
      after = canon(args);
    } catch { /* can't be shown */ }
    parentPort.postMessage({ answer: [number, kind, `${text}\0${after}`.slice(0, 20000), asked, text.slice(0, 120)] });
  }
  parentPort.postMessage({ done: true, results: [], stale: shared.changed() });
}

/** What all candidates of a worker share, and how it was: a change of it would reach the next one. */
class Shared {
  constructor(things) {
    this.known = new Map();
    for (const thing of things) this.keep(thing);
  }

  keep(thing) {
    const isOne = thing !== null && (typeof thing === "object" || typeof thing === "function");
    if (!isOne || this.known.has(thing)) return;
    const own = (key) => [key, Object.getOwnPropertyDescriptor(thing, key)];
    this.known.set(thing, new Map(Reflect.ownKeys(thing).map(own)));
  }

  changed() {
    for (const [thing, before] of this.known) {
      if (Reflect.ownKeys(thing).length !== before.size) return true;
      for (const [key, old] of before) if (!this.same(thing, old, Object.getOwnPropertyDescriptor(thing, key))) return true;
    }
    return false;
  }

  same(thing, old, now) {
    if (!now) return false;
    if ("value" in old) return "value" in now && Object.is(old.value, now.value);
    if (!("value" in now)) return old.get === now.get && old.set === now.set;
    // node puts what it loads late in place of the getter that loads it
    try {
      return thing === globalThis && old.get !== undefined && Object.is(old.get.call(thing), now.value);
    } catch {
      return false;
    }
  }
}

let shared = null;

/** What a package or a builtin exports is one thing for all candidates. */
function common(exports) {
  shared?.keep(exports);
  return exports;
}

async function workerMain() {
  const realTest = await import("node:test");
  const { Session } = await import("node:inspector/promises");
  let strayError = null;
  const caught = (error) => { strayError ??= error ?? new Error("thrown nothing"); };
  process.on("uncaughtException", caught);
  process.on("unhandledRejection", caught);
  const timers = new Set();
  for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
    const real = globalThis[name];
    const kept = (...args) => { const timer = real(...args); timers.add(timer); return timer; };
    for (const key of Reflect.ownKeys(real)) if (!(key in kept)) Object.defineProperty(kept, key, Object.getOwnPropertyDescriptor(real, key));
    globalThis[name] = kept;
  }
  shared = new Shared([globalThis, Object, Object.prototype, Array, Array.prototype, String.prototype, Number, Number.prototype,
    Function.prototype, Map.prototype, Set.prototype, Promise, Promise.prototype, Date, Date.prototype, RegExp.prototype,
    Error, Error.prototype, Symbol, Math, JSON, console, process.env]);
  parentPort.on("message", async (request) => {
    if (request.calls) return void (await behave(request, realTest));
    const results = [];
    const coverage = {};
    const tests = new Set(request.files.map((file) => path.join(request.cwd, file)));
    const recorder = request.record ? new Recorder(request.top, tests) : null;
    let stop = false, session = null, began = 0;
    if (request.cover) {
      session = new Session();
      session.connect();
      await session.post("Profiler.enable");
      await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    }
    const wanted = request.tests ? new Set(request.tests) : null;
    const parents = wanted && [...wanted];
    for (const file of request.files) {
      const absolute = path.join(request.cwd, file);
      strayError = null;
      const report = {
        over: () => stop,
        wants: (id) => !wanted || wanted.has(id) || parents.some((w) => w.startsWith(`${id} > `)),
        start: (id) => { began = performance.now(); parentPort.postMessage({ start: id }); },
        stray: () => { const error = strayError; strayError = null; return error; },
        end: (id, failure) => {
          const message = failure === null ? null : `${failure?.name ?? "Error"}: ${String(failure?.message ?? failure).slice(0, 300)}`;
          results.push([id, failure === null ? "p" : "f", performance.now() - began, message]);
          if (failure !== null && request.stop) stop = true;
        },
      };
      const { api, run } = collector(file, report);
      try {
        await new Loader(request.top, api, realTest, recorder).start(absolute);
        if (session) {
          report.settle = async (id) => { coverage[id] = await take(session, request.top); };
          await take(session, request.top);
        }
        await run(realTest);
      } catch (error) {
        const syntax = error?.name === "SyntaxError";
        results.push([file, "f", 0, `${error?.name ?? "Error"}: ${String(error?.message ?? error).slice(0, 300)}`]);
        if (syntax) parentPort.postMessage({ build: true });
      }
      if (stop) break;
    }
    if (session) session.disconnect();
    for (const timer of timers) { clearTimeout(timer); clearInterval(timer); clearImmediate(timer); }
    timers.clear();
    let recorded = null;
    if (recorder) {
      const further = variants(recorder.calls, request.record.variants, request.record.seed);
      recorded = { base: recorder.calls.map((call) => call.packed), further };
    }
    parentPort.postMessage({ done: true, results, coverage, recorded, stale: shared.changed() });
  });
  parentPort.postMessage({ ready: true });
}

/** What was executed since the last call, by file of which anything was: each function's ranges as [start, end, count]. */
async function take(session, top) {
  const { result } = await session.post("Profiler.takePreciseCoverage");
  const files = {};
  const prefix = pathToFileURL(top).href + "/";
  for (const script of result) {
    if (!script.url.startsWith(prefix) || script.url.includes("/node_modules/")) continue;
    const name = decodeURI(script.url.slice(prefix.length));
    const functions = script.functions.filter((f) => f.functionName !== "" || f.ranges[0].startOffset > 0);
    if (functions.some((f) => f.ranges[0].count > 0)) files[name] = functions.map((f) => f.ranges.map((r) => [r.startOffset, r.endOffset, r.count]));
  }
  return files;
}

// ---------------------------------------------------------------- the main thread

class Tree {
  constructor(top) {
    this.top = top;
    this.files = new Map();
    this.lost = false;
    for (const [file, info] of this.walk()) {
      const content = info.size <= KEEP_FILE_BYTES && info.isFile() ? fs.readFileSync(file) : null;
      this.files.set(file, { info, content });
    }
  }

  *walk(folder = this.top) {
    let entries = [];
    try {
      entries = fs.readdirSync(folder, { withFileTypes: true });
    } catch { /* gone */ }
    for (const entry of entries) {
      if (SKIP.has(entry.name)) continue;
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) yield* this.walk(file);
      else {
        try {
          yield [file, fs.lstatSync(file)];
        } catch { /* gone */ }
      }
    }
  }

  put(changes) {
    for (const [name, text] of changes) fs.writeFileSync(path.join(this.top, name), text);
  }

  restore() {
    let changed = 0;
    const found = new Set();
    for (const [file, info] of this.walk()) {
      found.add(file);
      const known = this.files.get(file);
      if (!known) {
        fs.rmSync(file, { force: true, recursive: true });
        changed += 1;
      } else if (info.mtimeMs !== known.info.mtimeMs || info.size !== known.info.size || info.mode !== known.info.mode) {
        this.write(file, known);
        changed += 1;
      }
    }
    for (const [file, known] of this.files) {
      if (!found.has(file)) {
        this.write(file, known);
        changed += 1;
      }
    }
    return changed;
  }

  write(file, { info, content }) {
    if (content === null) {
      this.lost = true;
      return;
    }
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
    fs.chmodSync(file, info.mode & 0o777);
    fs.utimesSync(file, info.atimeMs / 1000, info.mtimeMs / 1000);
    this.files.set(file, { info: fs.lstatSync(file), content });
  }
}

/** Every process below us. */
function descendants(pid = process.pid) {
  const found = [];
  try {
    for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
      const text = fs.readFileSync(`/proc/${pid}/task/${task}/children`, "utf8");
      for (const child of text.split(" ").filter(Boolean).map(Number)) found.push(child, ...descendants(child));
    }
  } catch { /* not Linux, or gone */ }
  return found;
}

function killChildren() {
  for (const pid of descendants()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch { /* gone */ }
  }
}

class Bench {
  constructor(config) {
    this.config = config;
    this.tree = new Tree(config.top);
    this.worker = null;
    this.runs = 0;
  }

  async ready() {
    if (this.worker && this.runs < WORKER_RUNS) return;
    await this.drop();
    this.runs = 0;
    this.worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: { kaizen: true }, stdout: true, stderr: true, env: { ...process.env },
      resourceLimits: { maxOldGenerationSizeMb: 1024 },
    });
    this.worker.stdout.resume();
    this.worker.stderr.resume();
    await new Promise((yes, no) => {
      this.worker.once("message", yes);
      this.worker.once("error", no);
      this.worker.once("exit", () => no(new Error("the worker ended")));
    });
  }

  async drop() {
    const worker = this.worker;
    this.worker = null;
    if (worker) await worker.terminate();
  }

  async run(request) {
    await this.ready();
    this.runs += 1;
    this.tree.put(request.changes ?? []);
    const answer = await this.attend(request);
    if (answer.end !== "done" || answer.stale) await this.drop();
    killChildren();
    answer.dirty = this.tree.restore();
    if (this.tree.lost) {
      this.tree.lost = false;
      answer.lost = true;
    }
    return answer;
  }

  /** What a candidate answers to calls; one that does not end costs its worker, and after three the rest is unknown. */
  async behave(request) {
    this.tree.put(request.changes ?? []);
    const answers = [];
    let numbers = request.calls.map((_, number) => number);
    for (let hung = 0; numbers.length > 0 && hung < 3; hung++) {
      await this.ready();
      this.runs += 1;
      const answer = await this.attend({ ...request, numbers, files: [] });
      answers.push(...answer.answers);
      const known = new Set(answers.map((row) => row[0]));
      if (answer.stale) await this.drop();
      if (answer.end === "done") break;
      await this.drop();
      if (typeof answer.current === "number" && !known.has(answer.current)) {
        answers.push([answer.current, answer.end === "timeout" ? "~" : "!", `~${answer.end}`, "", "does not end"]);
        known.add(answer.current);
      }
      numbers = numbers.filter((number) => !known.has(number));
    }
    killChildren();
    const answer = { end: "done", results: answers, dirty: this.tree.restore() };
    if (this.tree.lost) {
      this.tree.lost = false;
      answer.lost = true;
    }
    return answer;
  }

  attend(request) {
    const worker = this.worker, answers = [];
    let cpu = process.cpuUsage(), began = performance.now();
    return new Promise((resolve) => {
      let current = null, build = false;
      const finish = (answer) => {
        clearInterval(clock);
        worker.removeAllListeners("message");
        worker.removeAllListeners("error");
        worker.removeAllListeners("exit");
        worker.on("error", () => {});
        resolve({ results: [], answers, current, build, ...answer });
      };
      const clock = setInterval(() => {
        const used = process.cpuUsage(cpu);
        const busy = (used.user + used.system) / 1e6, waited = (performance.now() - began) / 1000;
        if (busy > request.cpu || waited > request.wall) finish({ end: "timeout" });
      }, 15);
      worker.on("message", (message) => {
        if (message.start !== undefined) {
          current = message.start;
          // of a call each has its own time, of tests all have one
          if (request.calls) [cpu, began] = [process.cpuUsage(), performance.now()];
        } else if (message.answer) answers.push(message.answer);
        else if (message.build) build = true;
        else if (message.done) finish({ end: "done", results: message.results, coverage: message.coverage, recorded: message.recorded, stale: message.stale });
      });
      worker.on("error", (error) => finish({ end: "crash", error: String(error?.message ?? error) }));
      worker.on("exit", () => finish({ end: "crash", error: "the process would have ended" }));
      const { cwd, top } = this.config;
      const { files, tests, stop, cover, record, calls, numbers } = request;
      worker.postMessage({ files, tests, stop, cover, record, calls, numbers, cwd, top });
    });
  }
}

async function main() {
  let bench = null, buffer = "";
  const requests = [];
  let wake = null;
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (data) => {
    buffer += data;
    for (let at = buffer.indexOf("\n"); at >= 0; at = buffer.indexOf("\n")) {
      requests.push(JSON.parse(buffer.slice(0, at)));
      buffer = buffer.slice(at + 1);
    }
    wake?.();
  });
  const leave = () => {
    killChildren();
    process.exit(0);
  };
  process.stdin.on("end", leave);
  process.stdin.on("error", leave);
  const answer = (message) => fs.writeSync(1, JSON.stringify(message) + "\n");
  for (;;) {
    while (requests.length === 0) await new Promise((yes) => { wake = yes; });
    const request = requests.shift();
    try {
      if (request.op === "start") {
        bench = new Bench(request);
        if (bench.tree.files.size > MOST_FILES) answer({ error: "too many files" });
        else {
          await bench.ready();
          answer({ ready: process.version });
        }
      } else answer(await (request.op === "behave" ? bench.behave(request) : bench.run(request)));
    } catch (error) {
      answer({ end: "crash", results: [], error: String(error?.message ?? error) });
    }
  }
}

if (isMainThread) await main();
else if (workerData?.kaizen) await workerMain();
