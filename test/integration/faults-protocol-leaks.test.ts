/** Faults F56 and F59: what must not get through in either direction. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Invariants } from '../helpers/invariants.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

test('F56 arguments and results with __proto__ and constructor.prototype pollute nobody', async () => {
  const watched = await supervise.fixture('raw-channel');
  const { supervisor } = watched;
  const check = await Invariants.begin(watched);
  const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":{"polluted":1}}}';
  const hostile: unknown = JSON.parse(text);
  expect(await supervisor.call('raw-channel', 'pollution', [hostile])).toEqual({
    polluted: null,
    keys: ['__proto__', 'constructor', 'a'],
    prototype: true,
  });
  const result = await supervisor.call('raw-channel', 'raw', [text]);
  expect(JSON.stringify(result)).toBe(text);
  expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
  // As an answer, an error, a log record and an answer's own members.
  const strange = [
    '{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","message":"m","fields":{"__proto__":{"polluted":1}}}}',
    '{"jsonrpc":"2.0","id":"__proto__","result":{"polluted":1}}',
    '{"__proto__":{"polluted":1,"method":"$/log"},"jsonrpc":"2.0","id":$id,"error":{"code":-32000,"message":"m","data":{"__proto__":{"polluted":1}}}}',
  ];
  const error: unknown = await supervisor.call('raw-channel', 'say', [strange]).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_THREW', remote: { message: 'm' } });
  const plain = {} as { polluted?: unknown };
  expect([plain.polluted, 'polluted' in Object.prototype]).toEqual([undefined, false]);
  await check.end({ faults: 0 });
});

test('F56 10⁵ levels in an argument are refused here, in a result there, and both go on', async () => {
  const watched = await supervise.fixture('raw-channel');
  const { supervisor } = watched;
  let deep: unknown[] = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  await expect(supervisor.call('raw-channel', 'echo', [deep])).rejects.toMatchObject({ code: 'ERR_NOT_SERIALIZABLE', path: 'arguments[0]' });
  const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  await expect(supervisor.call('raw-channel', 'raw', [nested])).rejects.toMatchObject({ code: 'ERR_NOT_SERIALIZABLE', path: 'result' });
  expect(await supervisor.call('raw-channel', 'echo', [1])).toBe(1);
  expect(watched.events.filter(({ kind }) => kind === 'instance-crashed')).toEqual([]);
});

// The plugin lists its descriptors in /proc, which other systems do not have.
test.runIf(process.platform === 'linux')(
  'F59 a plugin sees of our environment what is allowed and declared, and none of our descriptors',
  async () => {
    const ALLOWED = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TEMP|TMP|NODE_ENV|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/;
    const secrets = {
      AWS_SECRET_ACCESS_KEY: 's3cret',
      NODE_OPTIONS: '--no-warnings',
      NOTIFY_SOCKET: '/run/x',
      LD_PRELOAD_NOT: 'x',
      DECLARED_PASS: 'passed',
    };
    const before = { ...process.env };
    Object.assign(process.env, secrets);
    // A descriptor that is inheritable in all but name: it must not be among the child's.
    await using ours = await open(import.meta.filename);
    try {
      const watched = await supervise.fixture('raw-channel', { env: { DECLARED: 'yes', PATH: '/nowhere' }, passEnv: ['DECLARED_PASS', 'NOT_THERE'] });
      const { env, open: descriptors } = (await watched.supervisor.call('raw-channel', 'dump')) as {
        env: Record<string, string>;
        open: { fd: number; to: string }[];
      };
      const { CHAMELEON_INSTANCE: marker, DECLARED: declared, DECLARED_PASS: passed, ...rest } = env;
      expect([declared, passed, env['PATH']]).toEqual(['yes', 'passed', '/nowhere']);
      expect(marker).toMatch(new RegExp(`^${process.pid}-\\d+-[0-9a-f-]{36}$`));
      expect(Object.keys(rest).filter((name) => !ALLOWED.test(name))).toEqual([]);
      expect(JSON.stringify(env)).not.toMatch(/s3cret|NODE_OPTIONS|NOTIFY_SOCKET/);

      expect(descriptors.filter(({ fd }) => fd <= 3).map(({ fd }) => fd)).toEqual([0, 1, 2, 3]);
      const harmless = /^(\/dev\/null|anon_inode:.*)$/;
      const shared = targets().filter((to) => !harmless.test(to));
      expect(descriptors.filter(({ to }) => shared.includes(to))).toEqual([]);
      expect(descriptors.map(({ to }) => to)).not.toContain(import.meta.filename);
      expect(ours.fd).toBeGreaterThan(2);
    } finally {
      for (const name of Object.keys(secrets)) delete process.env[name];
      Object.assign(process.env, before);
    }
  },
);

/** What our own descriptors lead to. One that our own parent left open for whoever it starts passes through us, and is not ours to close. */
function targets(): string[] {
  const CLOSE_ON_EXEC = 0o2000000;
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const flags = /^flags:\t(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))![1]!;
      return Number.parseInt(flags, 8) & CLOSE_ON_EXEC ? [readlinkSync(`/proc/self/fd/${fd}`)] : [];
    } catch {
      return [];
    }
  });
}
