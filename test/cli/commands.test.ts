/** The commands that ask a running supervisor, one by one, with their exit codes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEMO, eventually, jsonLines, release, requests, Workplace } from './run.ts';

let work: Workplace;

beforeAll(async () => {
  work = new Workplace();
  work.plugin('demo', '1.0.0', DEMO);
  work.plugin('narrow', '1.0.0', DEMO);
  work.plugin('fragile', '1.0.0', DEMO);
  work.plugin('dead', '1.0.0', 'process.exit(125);');
  work.write('plugins/refused/1.0.0/package.json', '{');
  work.write('chameleon.config.json', {
    defaults: { breaker: { enabled: false }, restart: { maxRestarts: 100 } },
    plugins: { narrow: { concurrency: 1, maxQueue: 1 }, fragile: { breaker: { enabled: true, maxFailures: 1, openMs: 60_000 } } },
  });
  await work.start();
});
afterAll(release);

describe('call', () => {
  test.each<[string, string[], string | undefined, unknown]>([
    ['an array of arguments', ['greet', '["世界"]'], undefined, '你好, 世界'],
    ['one argument', ['greet', '"世界"'], undefined, '你好, 世界'],
    ['no arguments', ['echo'], undefined, []],
    ['a negative number', ['echo', '-5'], undefined, [-5]],
    ['standard input', ['echo', '-'], '[1,{"a":null}]', [1, { a: null }]],
    ['a file', ['echo', '@args.json'], undefined, ['from', 'a file']],
  ])('%s', async (_, [method, ...args], input, expected) => {
    work.write('args.json', ['from', 'a file']);
    const { code, stdout, stderr } = await work.run(['call', 'demo', method!, ...args], input === undefined ? {} : { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(expected);
  });

  describe('bytes', () => {
    const image = Buffer.from([0, 255, 1, 254, ...Array.from({ length: 1_000 }, (_, at) => at % 256)]);
    const sealed = { $bytes: image.toString('base64') };

    test.each([
      ['of a file that holds no JSON', ['@image.bin']],
      ['of a file within the arguments', ['[{"$file":"image.bin"}]']],
    ])('%s come as bytes, and a result of bytes reads the same whatever holds it', async (_, args) => {
      work.write('image.bin', '');
      writeFileSync(work.path('image.bin'), image);
      expect(await work.json(['call', 'demo', 'kind', ...args])).toBe('Buffer 1004');
      expect(await work.json(['call', 'demo', 'echo', ...args])).toEqual([sealed]);
      expect(await work.json(['call', 'demo', 'array', ...args])).toEqual({ deep: [sealed] });
    });

    test('go to a file as they are, and text too; anything else as JSON', async () => {
      writeFileSync(work.path('image.bin'), image);
      const { code, stdout, stderr } = await work.run(['call', 'demo', 'first', '@image.bin', '--out', 'out.bin']);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: 'out.bin: 1004 bytes\n' });
      expect(readFileSync(work.path('out.bin'))).toEqual(image);
      expect(await work.json(['call', 'demo', 'greet', '"x"', '--out', 'out.txt'])).toEqual({ out: 'out.txt', bytes: 9 });
      expect(readFileSync(work.path('out.txt'), 'utf8')).toBe('你好, x');
      await work.json(['call', 'demo', 'echo', '[1,{"a":2}]', '--out', 'out.json']);
      expect(JSON.parse(readFileSync(work.path('out.json'), 'utf8'))).toEqual([1, { a: 2 }]);
      expect((await work.run(['call', 'demo', 'greet', '"x"', '--out', '-'])).stdout).toBe('你好, x');
    });

    test('a mistake in a file of JSON is told, and so is a file that cannot be read or written', async () => {
      work.write('broken.json', '[1,');
      for (const args of [['@broken.json'], ['@none.bin'], ['[{"$file":"none.bin"}]'], ['1', '--out', 'none/out.bin']]) {
        expect(await work.run(['call', 'demo', 'echo', ...args])).toMatchObject({ code: 2, stdout: '' });
      }
    });
  });

  test('a version is chosen by its range', async () => {
    expect(await work.json(['call', 'demo@^1', 'greet', '"x"'])).toBe('你好, x');
  });

  test('a result of ten megabytes arrives whole through a pipe', async () => {
    const { stdout } = await work.run(['call', 'demo', 'big', '10000000']);
    expect(stdout.length).toBe(10_000_003);
  });

  test.each<[number, string, string, string[]]>([
    [1, 'an error that the plugin throws', 'ERR_PLUGIN_THREW', ['demo', 'fail']],
    [1, 'a plugin that dies', 'ERR_PLUGIN_CRASHED', ['demo', 'crash']],
    [2, 'arguments that are no JSON', 'ERR_USAGE', ['demo', 'greet', 'world']],
    [2, 'a deadline that is none', 'ERR_USAGE', ['demo', 'greet', '--timeout', 'soon']],
    [2, 'too few arguments', 'ERR_USAGE', ['demo']],
    [4, 'a plugin that is not there', 'ERR_PLUGIN_NOT_FOUND', ['dmeo', 'greet']],
    [4, 'a version that is not there', 'ERR_VERSION_NOT_FOUND', ['demo@^7', 'greet']],
    [4, 'a method that is not there', 'ERR_METHOD_NOT_FOUND', ['demo', 'gret']],
    [5, 'a deadline that passes', 'ERR_CALL_TIMEOUT', ['demo', 'sleep', '5000', '--timeout', '50']],
    [6, 'a plugin that was given up', 'ERR_PLUGIN_UNAVAILABLE', ['dead', 'greet']],
  ])('exit %i for %s', async (exit, _, errorCode, args) => {
    const { code, stdout, stderr } = await work.run(['call', ...args, '--json']);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: errorCode, message: expect.any(String) } });
    expect(code).toBe(exit);
  });

  test('exit 6 when the circuit is open, with the time to wait', async () => {
    await work.run(['call', 'fragile', 'fail']);
    const { code, stderr } = await work.run(['call', 'fragile', 'greet']);
    expect(stderr).toMatch(/try again in \d+ ms/);
    expect(code).toBe(6);
  });

  test('exit 6 when the queue is full', async () => {
    const sleeping = requests(
      work.socket,
      [1, 2].map(() => ({ op: 'call', params: { plugin: 'narrow', method: 'sleep', args: [1_500] } })),
    );
    await eventually(async () => expect(await work.json(['status', 'narrow'])).toMatchObject({ inFlight: 1, queued: 1 }));
    const { code, stderr } = await work.run(['call', 'narrow', 'greet']);
    expect(stderr).toContain('ERR_QUEUE_FULL');
    expect(code).toBe(6);
    await sleeping;
  });

  test('what is nearly right is suggested, and text that is no JSON is shown quoted', async () => {
    expect((await work.run(['call', 'dmeo', 'greet'])).stderr).toContain('did you mean demo?');
    expect((await work.run(['call', 'demo', 'gret'])).stderr).toContain('did you mean greet?');
    expect((await work.run(['call', 'demo', 'greet', 'world'])).stderr).toContain(`'["world"]'`);
  });

  test("an error of the plugin's is told with its stack, a crash with the last output", async () => {
    expect((await work.run(['call', 'demo', 'fail'])).stderr).toMatch(/threw TypeError: not today[\s\S]*index\.js/);
    expect((await work.run(['call', 'demo', 'crash'])).stderr).toContain('last words');
  });

  test('a caller that is interrupted takes its call along', async () => {
    const caller = work.spawn(['call', 'demo', 'wait']);
    await eventually(async () => expect(await work.json(['status', 'demo'])).toMatchObject({ inFlight: 1 }));
    caller.child.kill('SIGINT');
    expect(await caller.ended).toMatchObject({ signal: 'SIGINT', stdout: '' });
    await eventually(async () => expect((await work.run(['logs', 'demo'])).stdout).toContain('aborted'));
    await eventually(async () => expect(await work.json(['status', 'demo'])).toMatchObject({ inFlight: 0 }));
  });
});

describe('status, methods, metrics', () => {
  test('status shows what runs, what was given up and what was refused', async () => {
    const { code, stdout } = await work.run(['status']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^demo +1\.0\.0 \* +\w+ +\d+/m);
    expect(stdout).toMatch(/^dead +1\.0\.0 .*failed/m);
    expect(stdout).toMatch(/^refused .*refused/m);
    expect(stdout).not.toMatch(/\u001b/);
  });

  test('status as JSON is the status of the library', async () => {
    const status = (await work.json(['status'])) as { plugins: { name: string }[]; refused: { code: string }[] };
    expect(status).toMatchObject({ state: 'running', pid: expect.any(Number), refused: [{ code: 'ERR_MANIFEST_INVALID' }] });
    expect(status.plugins.map(({ name }) => name).sort()).toEqual(['dead', 'demo', 'fragile', 'narrow']);
    expect(await work.json(['status', 'demo'])).toMatchObject({ name: 'demo', version: '1.0.0', methods: expect.arrayContaining(['greet']) });
  });

  test('methods are listed, one a line', async () => {
    expect((await work.run(['methods', 'demo'])).stdout.split('\n')).toContain('greet');
    expect(await work.json(['methods', 'demo'])).toContain('greet');
  });

  test('metrics count what was called', async () => {
    await work.run(['call', 'demo', 'echo']);
    expect(await work.json(['metrics', 'demo'])).toMatchObject({
      plugins: { demo: { '1.0.0': { methods: { echo: { calls: expect.any(Number) } } } } },
    });
    expect((await work.run(['metrics'])).stdout).toMatch(/^demo +1\.0\.0 +echo +\d+/m);
  });

  test.each(['status', 'methods', 'metrics', 'reload', 'rollback', 'unload'])('%s of a plugin that is not there: exit 4', async (command) => {
    const { code, stderr } = await work.run([command, 'dmeo']);
    expect(stderr).toContain('did you mean demo?');
    expect(code).toBe(4);
  });
});

describe('logs', () => {
  test('the latest records, of everything or of one plugin, as text or as JSON lines', async () => {
    await work.run(['call', 'demo', 'say', '"good morning"']);
    await work.run(['call', 'fragile', 'say', '"never"']);
    await eventually(async () => expect((await work.run(['logs', 'demo'])).stdout).toMatch(/ demo@1\.0\.0\[\d+\] good morning/));
    const { stdout } = await work.run(['logs', 'demo', '--json']);
    const records = jsonLines<{ plugin?: string; message: string }>(stdout);
    expect(records.every(({ plugin }) => plugin === 'demo')).toBe(true);
    expect(records.find(({ message }) => message === 'good morning')).toMatchObject({ level: 'info', version: '1.0.0', time: expect.any(String) });
  });

  test('-f goes on with what comes', async () => {
    const following = work.spawn(['logs', 'demo', '-f']);
    await work.run(['call', 'demo', 'say', '"first of two"']);
    await eventually(() => expect(following.stdout()).toContain('first of two'));
    await work.run(['call', 'demo', 'say', '"second of two"']);
    await eventually(() => expect(following.stdout()).toContain('second of two'));
    following.child.kill('SIGINT');
    await following.ended;
  });

  test('a reader that leaves early is no error', async () => {
    const { child, ended } = work.spawn(['logs', '-f']);
    child.stdout!.destroy();
    await work.run(['call', 'demo', 'say', '"to nobody"']);
    await work.run(['call', 'demo', 'say', '"to nobody"']);
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('the environment stands in for flags', () => {
  test('a flag wins over its variable, the variable over the default', async () => {
    const env = { CHAMELEON_TIMEOUT: '50', CHAMELEON_JSON: '1' };
    const late = await work.run(['call', 'demo', 'sleep', '300'], { env });
    expect(JSON.parse(late.stderr)).toMatchObject({ error: { code: 'ERR_CALL_TIMEOUT', timeoutMs: 50 } });
    expect((await work.run(['call', 'demo', 'sleep', '300', '--timeout', '5000'], { env })).code).toBe(0);
  });

  test('CHAMELEON_SOCKET names the supervisor, from any folder', async () => {
    const elsewhere = new Workplace();
    expect((await elsewhere.run(['status'])).code).toBe(3);
    expect((await elsewhere.run(['status'], { env: { CHAMELEON_SOCKET: work.socket } })).code).toBe(0);
    expect((await elsewhere.run(['status', '--socket', '/nowhere/x.sock'], { env: { CHAMELEON_SOCKET: work.socket } })).code).toBe(3);
    expect((await elsewhere.run(['status', '--config', work.path('chameleon.config.json')])).code).toBe(0);
  });

  test('CHAMELEON_JSON=0 is not yes', async () => {
    expect((await work.run(['methods', 'demo'], { env: { CHAMELEON_JSON: '0' } })).stdout).toMatch(/^greet$/m);
  });
});
