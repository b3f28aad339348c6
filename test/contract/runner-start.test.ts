import { mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_FATAL } from '../../src/protocol/messages.ts';
import { bundleRunner, initializeParams, RawChild, repository, writePlugin } from '../helpers/raw-child.ts';

let bundle: Awaited<ReturnType<typeof bundleRunner>>;
beforeAll(async () => void (bundle = await bundleRunner()));
afterAll(() => bundle[Symbol.asyncDispose]());

const METHODS = '{ greet(name) { return `hi ${name}`; } }';

describe('the shapes of a plugin', () => {
  test.each<[string, string, string, object?]>([
    ['an ES module with a default export', 'index.mjs', `export default { methods: ${METHODS} };`],
    ['an ES module with named exports', 'index.mjs', `export const methods = ${METHODS};`],
    ['a CommonJS module', 'index.cjs', `module.exports = { methods: ${METHODS} };`],
    ['a CommonJS module with named exports', 'index.cjs', `exports.methods = ${METHODS};`],
    ['a CommonJS module compiled from ESM', 'index.cjs', `exports.__esModule = true; exports.default = { methods: ${METHODS} };`],
    ['a .js file without a declared type', 'index.js', `module.exports = { methods: ${METHODS} };`],
    ['a .js file compiled from ESM, without a declared type', 'index.js', `exports.__esModule = true; exports.default = { methods: ${METHODS} };`],
    ['a .js file declared as CommonJS', 'index.js', `module.exports = { methods: ${METHODS} };`, { type: 'commonjs' }],
    ['a .js file declared as a module', 'index.js', `export default { methods: ${METHODS} };`, { type: 'module' }],
    ['a CommonJS module with a `then` of its own', 'index.cjs', `module.exports = { methods: ${METHODS}, then() {} };`],
    ['a .js file with a `then` of its own', 'index.js', `module.exports = { methods: ${METHODS}, then() {} };`],
    ['a module that awaits at its top', 'index.mjs', `await null; export default { methods: ${METHODS} };`],
    ['a .js file of a module, without a declared type', 'index.js', `import 'node:fs'; export default { methods: ${METHODS} };`],
  ])('%s is one', async (_, file, source, manifest) => {
    await using plugin = await writePlugin(source, file, manifest);
    await using child = RawChild.runner(bundle.runner);
    const { result } = await child.initialize(plugin.entry);
    expect(result).toMatchObject({ protocol: 1, methods: { greet: {} }, pid: child.pid, runtime: `node ${process.versions.node}` });
    expect(await child.call('greet', ['you'])).toMatchObject({ result: 'hi you' });
    expect(child.stderr).toBe('');
  });

  test.each([
    ['nothing', '', /index\.mjs exports no methods: write `export default/],
    ['null', 'export default null', /exports no methods/],
    ['methods that are no object', 'export default { methods: [] }', /is no object/],
    ['a method that is no function', 'export default { methods: { a: 1 } }', /method a is no function but number/],
    ['a reserved name', 'export default { methods: { "$/ping"() {} } }', /reserved name/],
    ['a name that is too long', 'export default { methods: { ["x".repeat(201)]() {} } }', /201 characters, the limit is 200/],
    ['an empty name', 'export default { methods: { [""]() {} } }', /empty name/],
    [
      'too many methods',
      'export const methods = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => ["m" + i, () => 0]))',
      /1001 methods, the limit is 1000/,
    ],
    ['an init that is no function', 'export default { init: 1, methods: {} }', /`init` is no function but number/],
    ['a syntax error', 'export default {', /Unexpected end of input/],
    ['an error at import', 'throw new Error("no database")', /no database/],
    [
      'a timeout that is none',
      'export const methods = { a: Object.assign(() => 0, { [Symbol.for("chameleon-supervisor.method")]: { timeoutMs: -1 } }) }',
      /timeoutMs of -1/,
    ],
  ])('an entry with %s is refused in words', async (_, source, message) => {
    await using plugin = await writePlugin(source);
    await using child = RawChild.runner(bundle.runner);
    const { error } = await child.initialize(plugin.entry);
    expect(error).toMatchObject({ code: -32003, data: { phase: 'import', stack: expect.any(String) as string } });
    expect(error?.message).toMatch(message);
  });

  test('a missing entry is refused', async () => {
    await using child = RawChild.runner(bundle.runner);
    const { error } = await child.initialize(`${repository}/nowhere.mjs`);
    expect(error).toMatchObject({ code: -32003, data: { phase: 'import', code: 'ERR_MODULE_NOT_FOUND' } });
  });

  test('only own functions are methods', async () => {
    await using plugin = await writePlugin(`export default { methods: { real() { return 1; }, ['__proto__'](x) { return x; } } }`);
    await using child = RawChild.runner(bundle.runner);
    const { result } = await child.initialize(plugin.entry);
    expect(Object.keys((result as { methods: object }).methods)).toEqual(['real', '__proto__']);
    expect(await child.call('__proto__', [2])).toMatchObject({ result: 2 });
    for (const name of ['constructor', 'toString', 'hasOwnProperty', '__defineGetter__', 'nope', '']) {
      expect(await child.call(name)).toMatchObject({ error: { code: -32601 } });
    }
  });
});

describe('how it is loaded', () => {
  const canRequireModules = (process.features as { require_module?: boolean }).require_module === true;
  /** Says whether it was evaluated within a call of the runner, as what is required is. */
  const ASKING = `Error.stackTraceLimit = Infinity; const wasRequired = /^ +at (?!async ).*main\\.cjs/m.test(new Error().stack);`;

  test.each<[string, string, string, object?]>([
    ['an ES module', 'index.mjs', `${ASKING} export default { methods: { asked: () => wasRequired } };`],
    ['a CommonJS module', 'index.cjs', `${ASKING} module.exports = { methods: { asked: () => wasRequired } };`],
    ['a .js file without a declared type', 'index.js', `${ASKING} module.exports = { methods: { asked: () => wasRequired } };`],
  ])('%s without the loader that import starts, but where Node was given options', async (_, file, source) => {
    await using plugin = await writePlugin(source, file);
    await using child = RawChild.runner(bundle.runner);
    await child.initialize(plugin.entry);
    expect(await child.call('asked')).toMatchObject({ result: canRequireModules });
    await using given = RawChild.runner(bundle.runner, { env: { NODE_OPTIONS: '--no-warnings' } });
    await given.initialize(plugin.entry);
    expect(await given.call('asked')).toMatchObject({ result: file === 'index.cjs' });
  });

  test('a hook that Node was started with sees it', async () => {
    await using plugin = await writePlugin(`module.exports = { methods: ${METHODS} };`, 'index.js');
    const source = 'export default { methods: { greet: () => "hooked" } }';
    const load = `export const load = (url, context, next) =>
      url.endsWith('index.js') ? { format: 'module', source: ${JSON.stringify(source)}, shortCircuit: true } : next(url, context)`;
    const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(load)}`)});`;
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(register)}`;
    await using child = RawChild.runner(bundle.runner, { env: { NODE_OPTIONS } });
    await child.initialize(plugin.entry);
    expect(await child.call('greet', ['you'])).toMatchObject({ result: 'hooked' });
  });

  test.each([
    ['an ES module', 'index.mjs', `import next from './next.cjs'; export default { methods: { where: () => [import.meta.filename, next] } };`],
    ['a CommonJS module', 'index.cjs', `module.exports = { methods: { where: () => [__filename, require('./next.cjs')] } };`],
    ['a .js file', 'index.js', `module.exports = { methods: { where: () => [__filename, require('./next.cjs')] } };`],
  ])('%s behind a link, and what it loads, are found where they are', async (_, file, source) => {
    await using plugin = await writePlugin(source, file);
    const dir = await realpath(dirname(plugin.entry));
    await mkdir(join(dir, 'kept'));
    await writeFile(join(dir, 'kept/next.cjs'), 'module.exports = __filename;');
    await symlink('kept/next.cjs', join(dir, 'next.cjs'));
    await symlink('.', join(dir, 'link'));
    await using child = RawChild.runner(bundle.runner);
    await child.initialize(join(dir, 'link', file));
    expect(await child.call('where')).toMatchObject({ result: [join(dir, file), join(dir, 'kept/next.cjs')] });
  });

  test('a module that awaits deeper down runs once', async () => {
    await using deep = await writePlugin(`globalThis.runs = (globalThis.runs ?? 0) + 1; await null; export const runs = globalThis.runs;`);
    await using plugin = await writePlugin(
      `import { runs } from '${deep.entry}'; export default { methods: { runs: () => [runs, globalThis.runs] } };`,
    );
    await using child = RawChild.runner(bundle.runner);
    await child.initialize(plugin.entry);
    expect(await child.call('runs')).toMatchObject({ result: [1, 1] });
  });

  test.each([
    ['awaits at its top', 'await null; export const x = 1;', { code: 'ERR_REQUIRE_ASYNC_MODULE' }],
    ['asks for an export that is not there', `import { nothing } from 'node:fs'; export const x = nothing;`, { name: 'SyntaxError' }],
  ])('a module that requires one that %s runs once', async (_, source, data) => {
    await using required = await writePlugin(source);
    const runs = join(dirname(required.entry), 'runs');
    const entry = `const { appendFileSync } = require('node:fs'); appendFileSync(${JSON.stringify(runs)}, '.');
      require(${JSON.stringify(required.entry)}); module.exports = { methods: {} };`;
    await using plugin = await writePlugin(entry, 'index.js');
    await using child = RawChild.runner(bundle.runner);
    const { error } = await child.initialize(plugin.entry);
    if (canRequireModules) expect(error).toMatchObject({ data: { phase: 'import', ...data } });
    expect(await readFile(runs, 'utf8')).toBe('.');
  });

  test('a module that awaits at its top is one behind a link, too', async () => {
    await using plugin = await writePlugin(`await null; export default { methods: ${METHODS} };`);
    await using other = await writePlugin('');
    const link = join(dirname(other.entry), 'link');
    await symlink(dirname(plugin.entry), link);
    await using child = RawChild.runner(bundle.runner);
    await child.initialize(join(link, 'index.mjs'));
    expect(await child.call('greet', ['you'])).toMatchObject({ result: 'hi you' });
  });

  test('an export that is not there is told with the file that asks for it', async () => {
    await using shelf = await writePlugin(`export const methods = {};`);
    await using asking = await writePlugin(`import { book } from '${shelf.entry}'; export default book;`);
    await using plugin = await writePlugin(`export { default } from '${asking.entry}';`);
    await using child = RawChild.runner(bundle.runner);
    const { error } = await child.initialize(plugin.entry);
    expect(error).toMatchObject({ data: { phase: 'import', name: 'SyntaxError', stack: expect.stringContaining(asking.entry) as string } });
  });
});

describe('starting', () => {
  test('init gets its context, health is asked after it, both before the answer', async () => {
    await using plugin = await writePlugin(`
      const seen = [];
      export default {
        async init({ log, ...context }) { await null; seen.push(context); log.info('in init', { n: 1 }); },
        async health() { await null; seen.push(this.methods.seen().length); },
        methods: { seen: () => seen },
      };`);
    await using child = RawChild.runner(bundle.runner);
    const params = initializeParams(plugin.entry, { initArgs: [1, 'a'], options: { deep: { x: 1 } } });
    await child.control('$/initialize', params);
    const { name, version, dir } = params.plugin;
    expect(await child.call('seen')).toMatchObject({ result: [{ name, version, dir, initArgs: [1, 'a'], options: { deep: { x: 1 } } }, 1] });
    expect(child.logs).toEqual([{ level: 'info', message: 'in init', fields: { n: 1 } }]);
  });

  test.each(['init', 'health'])('%s may refuse, with everything its error says', async (phase) => {
    await using plugin = await writePlugin(`export default {
      async ${phase}() { throw Object.assign(new Error('no database', { cause: new Error('refused') }), { code: 'ECONNREFUSED' }); }, methods: {} };`);
    await using child = RawChild.runner(bundle.runner);
    expect(await child.initialize(plugin.entry)).toMatchObject({
      error: { code: -32003, message: 'no database', data: { phase, name: 'Error', code: 'ECONNREFUSED', cause: { message: 'refused' } } },
    });
    expect(await child.call('any')).toMatchObject({ error: { code: -32603 } });
  });

  test('what method() declares is reported', async () => {
    await using plugin = await writePlugin(`
      import { definePlugin, method } from '${repository}/runner/api.ts';
      export default definePlugin({ methods: { pay: method({ idempotent: true, timeoutMs: 500, errorsAreFailures: false }, function () { return this.attempt; }) } });`);
    await using api = await compiled(plugin.entry);
    await using child = RawChild.runner(bundle.runner);
    expect(await child.initialize(api.entry)).toMatchObject({
      result: { methods: { pay: { idempotent: true, timeoutMs: 500, errorsAreFailures: false } } },
    });
    expect(await child.call('pay')).toMatchObject({ result: 1 });
  });

  test('another protocol is a fault that does not pass', async () => {
    await using plugin = await writePlugin(`export default { methods: ${METHODS} };`);
    await using child = RawChild.runner(bundle.runner);
    const { error } = await child.initialize(plugin.entry, { protocol: 99 });
    expect(error).toMatchObject({ code: -32003, data: { phase: 'handshake' } });
    expect(error?.message).toMatch(/protocol 99.*speaks 1/);
    expect(await child.exited).toEqual({ code: EXIT_FATAL, signal: null });
  });

  test('a call before it, and a second one, are refused', async () => {
    await using plugin = await writePlugin(`export default { methods: ${METHODS} };`);
    await using child = RawChild.runner(bundle.runner);
    expect(await child.call('greet', ['you'])).toMatchObject({ error: { code: -32603, message: 'the plugin is not initialized' } });
    await child.initialize(plugin.entry);
    expect(await child.initialize(plugin.entry)).toMatchObject({ error: { code: -32603 } });
    expect(await child.control('$/nonsense')).toMatchObject({ error: { code: -32601 } });
  });

  test('run by hand, it explains itself', async () => {
    const { spawnSync } = await import('node:child_process');
    const { status, stderr, stdout } = spawnSync(process.execPath, [bundle.runner], { encoding: 'utf8', stdio: 'pipe' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/started by the supervisor[^]*chameleon-supervisor start/);
  });
});

/** A TypeScript import inside a plugin is bundled away, as an author's build would do. */
async function compiled(entry: string): ReturnType<typeof writePlugin> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: 'esm', platform: 'node', write: false });
  return writePlugin(outputFiles[0]!.text);
}
