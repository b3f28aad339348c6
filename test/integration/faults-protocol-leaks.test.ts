/** Faults F56 and F59: what must not get through in either direction. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { expect } from 'vitest';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

rounds('F56 arguments and results with __proto__ and constructor.prototype pollute nobody', async ({ begin, random }) => {
  const watched = await supervise.fixture('raw-channel');
  const { supervisor } = watched;
  const check = await begin(watched);
  // In any order, and at some depth.
  const keys = random.shuffled(['"__proto__":{"polluted":1}', '"constructor":{"prototype":{"polluted":1}}', '"a":{"__proto__":{"polluted":1}}']);
  const depth = random.between(0, 50);
  const text = `{${keys.join()},"deep":${'{"__proto__":'.repeat(depth)}{"polluted":1}${'}'.repeat(depth)}}`;
  const hostile: unknown = JSON.parse(text);
  expect(await supervisor.call('raw-channel', 'pollution', [hostile])).toEqual({
    polluted: null,
    keys: Object.keys(hostile as object),
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

rounds('F56 10⁵ levels in an argument are refused here, in a result there, and both go on', async ({ begin, random }) => {
  const watched = await supervise.fixture('raw-channel');
  const { supervisor } = watched;
  const check = await begin(watched);
  const levels = random.between(20_000, 100_000);
  let deep: unknown = [];
  for (let i = 0; i < levels; i++) deep = random.below(2) === 0 ? [deep] : { deep };
  await expect(supervisor.call('raw-channel', 'echo', [deep])).rejects.toMatchObject({ code: 'ERR_NOT_SERIALIZABLE', path: 'arguments[0]' });
  const nested = `${'['.repeat(levels)}${']'.repeat(levels)}`;
  await expect(supervisor.call('raw-channel', 'raw', [nested])).rejects.toMatchObject({ code: 'ERR_NOT_SERIALIZABLE', path: 'result' });
  expect(await supervisor.call('raw-channel', 'echo', [1])).toBe(1);
  await check.end({ faults: 0 });
});

rounds(
  'F59 a plugin sees of our environment what is allowed and declared, and none of our descriptors',
  async ({ begin, random }) => {
    const ALLOWED = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TEMP|TMP|NODE_ENV|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/;
    const secrets: Record<string, string> = {
      AWS_SECRET_ACCESS_KEY: 's3cret',
      NODE_OPTIONS: '--no-warnings',
      NOTIFY_SOCKET: '/run/x',
      LD_PRELOAD_NOT: 'x',
      DECLARED_PASS: 'passed',
    };
    for (let i = random.between(1, 20); i > 0; i--) Object.assign(secrets, { [`OURS_${random.below(2 ** 31)}`]: 's3cret' });
    const before = { ...process.env };
    Object.assign(process.env, secrets);
    // Descriptors that are inheritable in all but name: they must not be among the child's.
    const ours = await Promise.all(Array.from({ length: random.between(1, 20) }, () => open(import.meta.filename)));
    try {
      const watched = await supervise.fixture('raw-channel', { env: { DECLARED: 'yes', PATH: '/nowhere' }, passEnv: ['DECLARED_PASS', 'NOT_THERE'] });
      const check = await begin(watched);
      await random.moment(0, 50);
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
      expect(ours.every(({ fd }) => fd > 2)).toBe(true);
      await check.end({ faults: 0 });
    } finally {
      await Promise.all(ours.map((file) => file.close()));
      for (const name of Object.keys(secrets)) delete process.env[name];
      Object.assign(process.env, before);
    }
  },
  // The plugin lists its descriptors in /proc, which other systems do not have.
  { skip: process.platform !== 'linux' },
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
