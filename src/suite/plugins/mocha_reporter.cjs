// Reporter of mocha: prints what mocha's `spec` reporter prints, and writes what ran as one JSON object a line.
'use strict';
const fs = require('fs');
const path = require('path');

const file = process.env.KAIZEN_MOCHA_REPORT;
delete process.env.KAIZEN_MOCHA_REPORT;
const CAP = 64 * 1024;

function spec() {
  try {
    const main = fs.realpathSync(process.argv[1]);
    const lib = require(path.join(path.dirname(main), '..', 'lib', 'reporters', 'spec.js'));
    return lib.Spec ?? lib.default ?? lib;
  } catch {
    return null;
  }
}

function cut(text) {
  return text.length <= CAP ? text : text.slice(0, CAP / 2) + '\n[...]\n' + text.slice(-CAP / 2);
}

function message(error) {
  try {
    const head = String(error?.message ?? error);
    const stack = String(error?.stack ?? '');
    return cut(stack.includes(head) ? stack : `${head}\n${stack}`);
  } catch {
    return 'no representation';
  }
}

module.exports = class Kaizen {
  constructor(runner, options) {
    const Spec = spec();
    if (Spec) this.people = new Spec(runner, options);
    const out = file ? fs.openSync(file, 'a') : null;
    const write = (line) => out !== null && fs.writeSync(out, JSON.stringify(line) + '\n');
    const about = (event, test, more) =>
      write({
        event,
        file: test.file ?? test.parent?.file ?? null,
        names: typeof test.titlePath === 'function' ? test.titlePath() : [String(test.title)],
        kind: test.type ?? 'test',
        ms: test.duration ?? null,
        ...more,
      });
    runner.on('start', () => write({ event: 'start', total: runner.total ?? null }));
    runner.on('test', (test) => about('begin', test));
    runner.on('pass', (test) => about('pass', test));
    runner.on('pending', (test) => about('pending', test));
    runner.on('fail', (test, error) => about('fail', test, { message: message(error) }));
    runner.once('end', () => write({ event: 'end', stats: runner.stats ?? null }));
  }

  done(failures, callback) {
    if (this.people && typeof this.people.done === 'function') this.people.done(failures, callback);
    else callback(failures);
  }
};
