/** `dev`: what is saved is served at once, without a failed call; what is wrong is shown, and what ran before serves on. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { Debugger, type Script } from '../helpers/inspector.ts';
import { eventually, isAlive, jsonLines, release, requests, Workplace, type Started } from './run.ts';

let work: Workplace;
let temp: string;
beforeEach(() => {
  work = new Workplace();
  temp = work.path('temp');
  mkdirSync(temp);
});
afterEach(release);

const MANIFEST = { name: 'shop', version: '1.0.0', type: 'module', main: 'index.ts' };
const answering = (answer: string): string =>
  `import { suffix } from './suffix.ts';\nexport default { methods: { ask(): string { return '${answer}' + suffix; }, pid: () => process.pid } };`;

/** Saves as editors do: a new file in the place of the old one. */
function save(file: string, content: string | object): void {
  work.write(`${file}.swp`, content);
  renameSync(work.path(`${file}.swp`), work.path(file));
}

/** Its argument for `dev`. */
function projectOf(files: Record<string, string | object>): [string] {
  const all = { 'package.json': MANIFEST, 'index.ts': answering('one'), 'suffix.ts': "export const suffix: string = '!';", ...files };
  for (const [file, content] of Object.entries(all)) work.write(`shop/${file}`, content);
  return ['shop'];
}

async function develop(files: Record<string, string | object> = {}, args: string[] = []): Promise<Started> {
  const started = work.spawn(['dev', ...projectOf(files), ...args], { env: { TMPDIR: temp } });
  await eventually(() => expect(started.stdout(), started.stderr()).toMatch(/^ready: |"ready":true/));
  return started;
}

const said = (started: Started): string =>
  jsonLines<{ message: string }>(started.stderr())
    .map(({ message }) => message)
    .join('\n');
const ask = async (method = 'ask'): Promise<unknown> => {
  const [answer] = await requests(work.socket, [{ op: 'call', params: { plugin: 'shop', method, args: [] } }]);
  return answer!.result ?? answer!.error;
};

async function interrupted(started: Started): Promise<void> {
  started.child.kill('SIGINT');
  expect(await started.ended).toMatchObject({ code: 0, signal: null });
  expect(readdirSync(temp)).toEqual([]);
  expect(existsSync(work.socket)).toBe(false);
}

test('a save is served at once, under load, with no failed call; a broken one is shown, and changes nothing', { timeout: 90_000 }, async () => {
  const dev = await develop();
  expect(dev.stdout()).toMatch(/^ready: shop@1\.0\.0; watching .*shop; pid \d+, socket .*control\.sock\n$/);
  expect(await ask()).toBe('one!');

  const answers = new Set<unknown>();
  let loading = true;
  const load = (async () => {
    while (loading)
      for (const { result, error } of await requests(
        work.socket,
        Array.from({ length: 20 }, () => ({ op: 'call', params: { plugin: 'shop', method: 'ask', args: [] } })),
      ))
        answers.add(result ?? error);
  })();
  save('shop/index.ts', answering('two'));
  await eventually(async () => expect(await ask()).toBe('two!'));
  expect(said(dev)).toMatch(/index\.ts: shop 1\.0\.0 with a fresh process is active, after [\d.]+ ms, of which [\d.]+ to build/);
  save('shop/suffix.ts', "export const suffix: string = '?';");
  await eventually(async () => expect(await ask()).toBe('two?'));
  expect(said(dev)).toContain('suffix.ts: shop');

  save('shop/index.ts', 'export default { methods: { ask( };');
  await eventually(() => expect(said(dev)).toContain('index.ts: nothing is replaced: shop does not build: 1 mistake'));
  expect(said(dev)).toContain('1 │ export default { methods: { ask( };');
  expect(await ask()).toBe('two?');

  save('shop/index.ts', "console.error('no database');\nthrow new Error('not today');");
  await eventually(() => expect(said(dev)).toMatch(/index\.ts: nothing is replaced: .*not today/));
  expect(said(dev)).toMatch(/hint: .*\n.*last output: (.*\n)*.*no database/);
  expect(await ask()).toBe('two?');

  save('shop/index.ts', answering('three'));
  await eventually(async () => expect(await ask()).toBe('three?'));
  loading = false;
  await load;
  expect(['one!', 'two!', 'two?', 'three?']).toEqual(expect.arrayContaining([...answers]));
  await interrupted(dev);
});

test('what crashes after a broken save is started again as it was', { timeout: 60_000 }, async () => {
  const dev = await develop();
  save('shop/index.ts', "throw new Error('not today');");
  await eventually(() => expect(said(dev)).toContain('not today'));
  const before = (await ask('pid')) as number;
  process.kill(before, 'SIGKILL');
  await eventually(async () => expect(await ask('pid')).not.toBe(before));
  expect(await ask()).toBe('one!');
  await interrupted(dev);
  expect(isAlive(before)).toBe(false);
});

test('a plugin that does not build at first is waited for', { timeout: 60_000 }, async () => {
  const dev = await develop({ 'suffix.ts': 'export const suffx = 1;' }, ['--json']);
  expect(jsonLines(dev.stdout())).toEqual([{ ready: true, pid: dev.pid, socket: work.socket, dir: work.path('shop'), active: [] }]);
  expect(said(dev)).toContain('first build: nothing is replaced: shop does not build');
  rmSync(work.path('shop/suffix.ts'));
  save('shop/suffix.ts', "export const suffix = '.';");
  await eventually(async () => expect(await ask()).toBe('one.'));
  await interrupted(dev);
});

test('a new version and another name are rolled out; tests and what the plugin writes are left alone', { timeout: 60_000 }, async () => {
  const dev = await develop({ 'data/notes.json': '{}' });
  save('shop/package.json', { ...MANIFEST, version: '1.1.0' });
  await eventually(() => expect(said(dev)).toContain('package.json: shop 1.0.0 → 1.1.0 is active'));
  writeFileSync(join(work.path('shop'), 'index.test.ts'), 'nothing');
  writeFileSync(join(work.path('shop'), 'data/notes.json'), '{"a":1}');
  writeFileSync(join(work.path('shop'), '.hidden.ts'), 'nothing');
  save('shop/package.json', { ...MANIFEST, name: 'store' });
  await eventually(() => expect(said(dev)).toContain('package.json: store 1.0.0 is active'));
  await eventually(async () => expect(await ask()).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND', available: ['store'] }));
  expect(said(dev)).not.toMatch(/notes\.json|index\.test|hidden/);
  await interrupted(dev);
});

test('its init has the options of the configuration; what is saved gets all calls at once, with a method less too', { timeout: 60_000 }, async () => {
  const patient = { rollout: { canary: { percent: 10 }, holdMs: 60_000 } };
  work.write('chameleon.config.json', { defaults: patient, plugins: { shop: { ...patient, options: { colour: 'red' } } } });
  const dev = await develop({
    'index.ts': 'let colour; export default { init({ options }) { colour = options.colour; }, methods: { ask: () => colour } };',
  });
  expect(await work.json(['call', 'shop', 'ask'])).toBe('red');
  save('shop/index.ts', "export const methods = { other: () => 'blue' };");
  await eventually(async () => expect(await ask('other')).toBe('blue'));
  await eventually(async () => expect(await work.json(['status', 'shop'])).toMatchObject({ versions: [{ methods: ['other'] }] }));
  await interrupted(dev);
});

test('a folder that is no plugin is an error at once', async () => {
  expect(await work.run(['dev', 'nowhere'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('ERR_MANIFEST_INVALID') });
});

/** Line and column, from 0, of the text of the bundle that comes from this line of a source, from 1. */
function inBundle({ sourceMapURL }: Script, source: string, line: number): { lineNumber: number; columnNumber: number } {
  const map = new SourceMap(JSON.parse(Buffer.from(sourceMapURL.split('base64,')[1]!, 'base64').toString()) as SourceMapPayload);
  for (let lineNumber = 0; lineNumber < 10_000; lineNumber++) {
    for (let columnNumber = 0; columnNumber < 200; columnNumber++) {
      const entry = map.findEntry(lineNumber, columnNumber);
      if ('originalLine' in entry && entry.originalSource.endsWith(source) && entry.originalLine === line - 1 && entry.generatedLine === lineNumber)
        return { lineNumber, columnNumber: entry.generatedColumn };
    }
  }
  throw new Error(`nothing of ${source}:${line} is in the bundle`);
}

/** Has it stand in this line of the source the next time. */
async function breakAt(debug: Debugger, source: string, line: number): Promise<void> {
  await eventually(() => expect([...debug.scripts.values()].some(({ url }) => url.endsWith('/index.js'))).toBe(true));
  const bundle = [...debug.scripts.values()].find(({ url }) => url.endsWith('/index.js'))!;
  const location = { scriptId: bundle.scriptId, ...inBundle(bundle, source, line) };
  await debug.send('Debugger.setBreakpoint', { location });
}

const PAUSES =
  "export const methods = {\n  ask(): string {\n    const answer: string = 'one';\n    return answer;\n  },\n  pid: () => process.pid,\n};";

test('with --inspect a breakpoint in TypeScript holds a call for as long as it stands, and a save waits for it', { timeout: 90_000 }, async () => {
  work.write('chameleon.config.json', { defaults: { callTimeoutMs: 500, liveness: { intervalMs: 100, timeoutMs: 300 } } });
  const dev = work.spawn(['dev', '--inspect=0', ...projectOf({ 'index.ts': PAUSES })], { env: { TMPDIR: temp } });
  await eventually(() => expect(dev.stdout(), dev.stderr()).toContain('ready: '));
  const [, address] = /^debugger: (127\.0\.0\.1:\d+) leads to the newest child\n/.exec(dev.stdout())!;
  const pid = await ask('pid');
  const debug = await Debugger.attach(address!);
  await breakAt(debug, 'index.ts', 3);
  const call = ask();
  await debug.paused();
  // Nothing may happen in this time: it is longer than the deadline and the liveness limit.
  await sleep(1_500);
  save('shop/index.ts', PAUSES.replace("'one'", "'two'"));
  // A call before that would wait at the breakpoint too.
  await eventually(() => expect(said(dev)).toContain('with a fresh process is active'));
  expect(await ask()).toBe('two');
  await debug.send('Debugger.resume');
  expect(await call).toBe('one');
  await eventually(() => expect(isAlive(pid as number)).toBe(false));
  expect(said(dev)).not.toMatch(/crashed|unresponsive/);

  const next = await Debugger.attach(address!);
  await breakAt(next, 'index.ts', 3);
  const second = ask();
  await next.paused();
  await next.send('Debugger.resume');
  expect(await second).toBe('two');
  expect(await work.run(['status'])).toMatchObject({
    stdout: expect.stringMatching(/shop@1\.0\.0 debug: no time limits, pid \d+ at ws:\/\/127\.0\.0\.1:/),
  });
  await interrupted(dev);
  next.detach();
});

test('with --inspect-brk the first child waits for a debugger before its code runs', { timeout: 60_000 }, async () => {
  const dev = work.spawn(['dev', '--inspect-brk=0', ...projectOf({ 'index.ts': PAUSES })], { env: { TMPDIR: temp } });
  await eventually(() => expect(said(dev)).toContain('debugger listening on'));
  const [, address] = /^debugger: (\S+) /.exec(dev.stdout())!;
  const debug = await Debugger.attach(address!);
  await debug.send('Runtime.runIfWaitingForDebugger');
  await debug.paused();
  expect(dev.stdout()).not.toContain('ready');
  await debug.send('Debugger.resume');
  await eventually(() => expect(dev.stdout()).toContain('ready: shop@1.0.0'));
  save('shop/index.ts', PAUSES.replace("'one'", "'two'"));
  await eventually(async () => expect(await ask()).toBe('two'));
  await interrupted(dev);
});

test('a port for the debugger that another program has is an error at once', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  projectOf({});
  const refused = await work.run(['dev', 'shop', `--inspect=${port}`]);
  expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(`the debugger cannot have port ${port}: it is in use`) });
  expect(await work.run(['dev', 'shop', '--inspect=65536'])).toMatchObject({ code: 2, stderr: expect.stringContaining('A port is expected') });
});
