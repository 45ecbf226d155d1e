// Reporter of `node --test` (node 18.15 and later): writes what ran as one JSON object a line to the file that
// --test-reporter-destination names, outside the tree under test.
const CAP = 64 * 1024;

function cut(text) {
  return text.length <= CAP ? text : text.slice(0, CAP / 2) + '\n[...]\n' + text.slice(-CAP / 2);
}

function message(error) {
  if (!error) return null;
  const cause = error.cause ?? error;
  try {
    if (typeof cause === 'string') return cut(cause);
    const stack = cause.stack ?? '';
    const head = cause.message ?? String(cause);
    return cut(stack.includes(head) ? stack : `${head}\n${stack}`);
  } catch {
    return 'no representation';
  }
}

export default async function* kaizen(source) {
  for await (const { type, data } of source) {
    if (type === 'test:start' || type === 'test:pass' || type === 'test:fail') {
      yield JSON.stringify({
        type,
        name: String(data.name),
        nesting: data.nesting,
        file: data.file ?? null,
        line: data.line ?? null,
        kind: data.details?.type ?? null,
        ms: data.details?.duration_ms ?? null,
        skip: data.skip ?? null,
        todo: data.todo ?? null,
        code: data.details?.error?.code ?? null,
        failure: data.details?.error?.failureType ?? null,
        message: message(data.details?.error),
      }) + '\n';
    } else if (type === 'test:diagnostic' && data.nesting === 0) {
      yield JSON.stringify({ type, name: String(data.message) }) + '\n';
    }
  }
  yield JSON.stringify({ type: 'end' }) + '\n';
}
