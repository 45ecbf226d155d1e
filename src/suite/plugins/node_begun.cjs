// Loaded into every node process through NODE_OPTIONS=--require. In one that `node --test` started for a test file it
// writes the name of every test that begins to a folder outside the tree under test: node's own events come too late when
// a test computes without end or takes its process along. In every other process it does nothing.
'use strict';
const dir = process.env.KAIZEN_NODE_BEGUN;
if (dir && process.env.NODE_TEST_CONTEXT && process.argv[1] && require('worker_threads').isMainThread) {
  delete process.env.KAIZEN_NODE_BEGUN;
  const file = process.argv[1];
  const out = require('path').join(dir, `begun-${process.pid}.jsonl`);
  const write = require('fs').appendFileSync;
  const text = JSON.stringify;
  const { beforeEach } = require('node:test');
  // older versions do not know the names of the tests around it
  beforeEach?.((t) => t.fullName && write(out, text({ name: t.fullName, file }) + '\n'));
}
