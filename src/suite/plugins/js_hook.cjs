// Loaded into every node process through NODE_OPTIONS=--require. In the one that is jest, vitest or mocha it adds the
// options that make it write what ran to a folder outside the tree under test; in every other one it does nothing.
'use strict';
const path = require('path');
const fs = require('fs');

const env = process.env;
const dir = env.KAIZEN_JS_REPORTS;

function which(script) {
  const file = script.replace(/\\/g, '/');
  const name = path.posix.basename(file).replace(/\.(c|m)?js$/, '');
  const inside = (tool) => file.includes(`/.bin/${tool}`) || file.includes(`/${tool}/`);
  if (name === 'jest' && (inside('jest') || inside('jest-cli'))) return 'jest';
  if (name === 'vitest' && inside('vitest')) return 'vitest';
  if ((name === 'mocha' || name === '_mocha') && (inside('mocha') || inside('_mocha'))) return 'mocha';
  if (name === 'test' && file.includes('/react-scripts/scripts/')) return 'jest';
  return null;
}

// takes `--name value`, `--name=value` and `-n value` out of the arguments
function without(args, names) {
  const out = [];
  for (let i = 0; i < args.length; i++) {
    if (names.includes(args[i])) i++;
    else if (!names.some((n) => n.startsWith('--') && args[i].startsWith(n + '='))) out.push(args[i]);
  }
  return out;
}

// words that are neither vitest's verb nor an option or what may be its value: they name files
function operands(args) {
  const verbs = ['run', 'watch', 'dev', 'related'];
  return args.filter((a, i) => !a.startsWith('-') && !(i === 0 && verbs.includes(a)) && !args[i - 1]?.startsWith('-'));
}

function extend(tool, only) {
  const report = path.join(dir, `${tool}-${process.pid}.json`);
  let args = process.argv.slice(2);
  const end = args.indexOf('--');
  const rest = end < 0 ? [] : args.splice(end);
  if (tool === 'jest') {
    args = without(args, ['--outputFile']).filter((a) => !['--json', '--watch', '--watchAll', '--bail', '-b'].includes(a));
    args.push('--json', `--outputFile=${report}`, '--testLocationInResults', '--bail=0', '--watchAll=false');
    // a threshold of coverage is for all tests
    if (only) args.push(`--testNamePattern=${only.pattern}`, '--passWithNoTests', '--coverage=false', ...(rest.length ? [] : only.files));
  } else if (tool === 'vitest') {
    if (['bench', 'list', 'init', 'typecheck'].includes(args[0])) return;
    args = without(args, ['--outputFile', '--bail']).filter((a) => a !== '--watch' && a !== '-w');
    const all = operands(args).length === 0;
    args.push('--run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, '--bail=0');
    if (only) args.push(`--testNamePattern=${only.pattern}`, '--passWithNoTests', '--coverage.enabled=false', ...(all && !rest.length ? only.paths : []));
  } else {
    const own = path.join(__dirname, 'mocha_reporter.cjs');
    args = without(args, ['--reporter', '-R', '--reporter-option', '--reporter-options', '-O'])
      .filter((a) => !['--bail', '-b', '--watch', '-w'].includes(a));
    env.KAIZEN_MOCHA_REPORT = report;
    args.push('--reporter', own, '--no-bail');
    if (only) args.push('--grep', only.pattern);
  }
  process.argv.splice(2, process.argv.length, ...args, ...rest);
}

if (dir && process.argv[1] && require('worker_threads').isMainThread) {
  const tool = which(process.argv[1]);
  if (tool) {
    const only = env.KAIZEN_JS_ONLY ? JSON.parse(fs.readFileSync(env.KAIZEN_JS_ONLY, 'utf8')) : null;
    delete env.KAIZEN_JS_REPORTS;
    delete env.KAIZEN_JS_ONLY;
    extend(tool, only);
  }
}
