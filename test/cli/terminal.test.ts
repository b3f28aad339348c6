/** What a person sees on a terminal, through a real one: nothing that a plugin chose is obeyed by it, and it holds nothing up. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { hasProgram, testWith } from '../helpers/parts.ts';
import { eventually, isAlive, MAIN, release, Workplace } from './run.ts';

const terminals = new Set<ChildProcess>();

afterEach(async () => {
  for (const terminal of terminals) {
    if (terminal.exitCode !== null || terminal.signalCode !== null) continue;
    terminal.kill('SIGKILL');
    await new Promise((resolve) => terminal.once('close', resolve));
  }
  terminals.clear();
  await release();
});

interface Terminal {
  child: ChildProcess;
  /** Everything that it was told to show. */
  shown(): string;
  type(keys: string): void;
  ended: Promise<number | null>;
}

/** A command on a terminal of its own. */
function inTerminal(dir: string, args: readonly string[]): Terminal {
  const quoted = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  const { PATH, HOME } = process.env;
  const child = spawn('script', ['-qefc', quoted, '/dev/null'], {
    cwd: dir,
    env: { PATH, HOME, TERM: 'xterm-256color', SHELL: '/bin/sh' },
    stdio: 'pipe',
  });
  terminals.add(child);
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  child.stdin.on('error', () => {});
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, shown: () => shown, type: (keys) => void child.stdin.write(keys), ended };
}

const EVIL = 'A\u001b]0;title\u0007\u001b[2J\u001b[31mB\u009b2J\u0085\u202eC\u2066\u2028\u2029\u200b\ufeff\u007f\rD';
const FORGED = '00:00:00.000 info other@6.6.6[1]: forged';
const PLUGIN = `
const EVIL = ${JSON.stringify(EVIL)}, FORGED = ${JSON.stringify(FORGED)};
export default {
  methods: {
    text() { return EVIL; },
    lines() { return 'one\\ntwo'; },
    object() { return { [EVIL]: EVIL }; },
    say() { console.log(EVIL); process.stdout.write(EVIL + '\\n'); process.stderr.write(EVIL + '\\n'); this.log.warn('said\\n' + FORGED + EVIL, { [EVIL]: EVIL, message: FORGED, level: 'forged', plugin: 'other', timestamp: 'x', stack: FORGED, event: 'y', exit: 0 }); },
    fail() { const error = new Error('failed ' + EVIL + '\\n' + FORGED); error.name = 'E' + EVIL; error.code = EVIL; throw error; },
    die() { process.stderr.write(EVIL + '\\n' + FORGED + '\\n', () => process.exit(3)); return new Promise(() => {}); },
    flood(lines, bytes) { const line = 'x'.repeat(bytes); for (let i = 0; i < lines; i++) console.log(i + line); return lines; },
    ['m' + EVIL]() {},
  },
};`;
const BROKEN = `throw new Error(${JSON.stringify(`broken ${EVIL}\n${FORGED}`)});`;

/** The colours of our own are all that may be left. */
const obeyed = (shown: string): string[] =>
  shown.replace(/\u001b\[[0-9;]*m/g, '').match(/[^\n\r\t\P{Cc}]|\r(?!\n)|[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu) ?? [];
const startsForged = (shown: string): string[] =>
  shown
    .replace(/\u001b\[[0-9;]*m/g, '')
    .split(/\r?\n/)
    .filter((line) => line.startsWith('00:00:00.000'));

const testOnTerminal = testWith('util-linux script', hasProgram('script'));

describe('on a terminal', () => {
  testOnTerminal('nothing of a plugin is obeyed: its output, results, methods, errors, last words', async () => {
    const place = new Workplace();
    place.plugin('evil', '1.0.0', PLUGIN);
    place.plugin('broken', '1.0.0', BROKEN);
    const supervisor = inTerminal(place.dir, ['start']);
    await eventually(() => expect(supervisor.shown()).toContain('ready: '));
    const run = async (...args: string[]): Promise<string> => {
      const terminal = inTerminal(place.dir, args);
      await terminal.ended;
      return terminal.shown();
    };
    const shown = {
      text: await run('call', 'evil', 'text'),
      object: await run('call', 'evil', 'object'),
      said: await run('call', 'evil', 'say'),
      failed: await run('call', 'evil', 'fail'),
      died: await run('call', 'evil', 'die'),
      methods: await run('methods', 'evil'),
      status: await run('status'),
      'status of one': await run('status', 'evil'),
      metrics: await run('metrics'),
      'no such method': await run('call', 'evil', 'nothing'),
      logs: await run('logs'),
      'logs as JSON': await run('logs', '--json'),
      validate: await run('validate'),
      reload: await run('reload', 'broken'),
      start: supervisor.shown(),
    };
    for (const [what, text] of Object.entries(shown)) {
      expect(obeyed(text), what).toEqual([]);
      expect(startsForged(text), what).toEqual([]);
    }
    expect(shown.text).toContain('A\\x1b]0;title\\x07\\x1b[2JB\\x9b2J\\x85\\u202eC\\u2066\\u2028\\u2029\\u200b\\ufeff\\x7f\\rD');
    expect(JSON.parse(shown.object)).toEqual({ [EVIL]: EVIL });
    expect(shown.start).toContain('said\\n00:00:00.000');
    expect(shown.logs).toContain('said\\n00:00:00.000');
    const record = shown['logs as JSON'].split('\n').find((line) => line.includes('said'))!;
    expect(JSON.parse(record)).toMatchObject({
      level: 'warn',
      plugin: 'evil',
      message: `said\n${FORGED}${EVIL}`,
      fields: { plugin: 'other', stack: FORGED },
    });
    expect(await run('call', 'evil', 'lines')).toBe('one\r\ntwo\r\n');
    process.kill(supervisorPid(supervisor), 'SIGTERM');
    expect(await supervisor.ended).toBe(0);
  });

  testOnTerminal('that is stopped by Ctrl-S holds up neither calls nor SIGTERM', async () => {
    const place = new Workplace();
    place.plugin('evil', '1.0.0', PLUGIN);
    const supervisor = inTerminal(place.dir, ['start']);
    await eventually(() => expect(supervisor.shown()).toContain('ready: '));
    const pid = supervisorPid(supervisor);
    supervisor.type('\u0013');
    await place.json(['call', 'evil', 'flood', '[2000, 100]']);
    expect(await place.json(['call', 'evil', 'lines'])).toBe('one\ntwo');
    const before = supervisor.shown().length;
    expect(await place.json(['call', 'evil', 'flood', '[10, 10]'])).toBe(10);
    expect(supervisor.shown().length, 'the terminal is stopped').toBe(before);
    process.kill(pid, 'SIGTERM');
    await eventually(() => expect(isAlive(pid)).toBe(false));
    expect(existsSync(place.socket)).toBe(false);
  });

  testOnTerminal('that was stopped and goes on shows what was written meanwhile', async () => {
    const place = new Workplace();
    place.plugin('evil', '1.0.0', PLUGIN);
    const supervisor = inTerminal(place.dir, ['start']);
    await eventually(() => expect(supervisor.shown()).toContain('ready: '));
    supervisor.type('\u0013');
    await place.json(['call', 'evil', 'flood', '[2000, 100]']);
    supervisor.type('\u0011');
    await eventually(() => expect(supervisor.shown()).toContain(` 1999${'x'.repeat(100)}`));
    process.kill(supervisorPid(supervisor), 'SIGTERM');
    expect(await supervisor.ended).toBe(0);
    expect(supervisor.shown()).toContain('stopped');
  });
});

test('log records that nobody reads are dropped and counted, and the memory stays as it was', async () => {
  const place = new Workplace();
  place.write('chameleon.config.json', { defaults: { maxLogsPerSecond: 1_000_000, maxLogBytesPerSecond: 2 ** 40 } });
  place.plugin('evil', '1.0.0', PLUGIN);
  const started = await place.start([]);
  started.child.stderr!.pause();
  const resident = (): number => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${started.pid}/status`, 'utf8'))![1]) / 1024;
  const before = resident();
  for (let round = 0; round < 5; round++) await place.json(['call', 'evil', 'flood', '[5000, 8000]']);
  // 200 MB were written.
  expect(resident() - before).toBeLessThan(130);
  started.child.stderr!.resume();
  await eventually(() => expect(started.stderr()).toMatch(/[1-9]\d+ log records were dropped: \d+ bytes of log were not read/));
  started.child.kill('SIGTERM');
  expect(await started.ended).toMatchObject({ code: 0 });
});

test('on a pipe a log record is one line of JSON, with the value that the plugin gave and no character that a terminal obeys', async () => {
  const place = new Workplace();
  place.plugin('evil', '1.0.0', PLUGIN);
  const started = await place.start([]);
  await place.json(['call', 'evil', 'say']);
  const records = (): Record<string, unknown>[] =>
    started
      .stderr()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  await eventually(() => expect(records().filter(({ message }) => String(message).includes(EVIL.slice(-1)))).not.toHaveLength(0));
  await eventually(() =>
    expect(records().find(({ message }) => message === `said\n${FORGED}${EVIL}`)).toMatchObject({
      level: 'warn',
      plugin: 'evil',
      fields: { plugin: 'other', level: 'forged' },
    }),
  );
  const record = records().find(({ message }) => message === `said\n${FORGED}${EVIL}`)!;
  expect(record).not.toHaveProperty('stack');
  expect(record).not.toHaveProperty('event');
  expect(record).not.toHaveProperty('exit');
  expect(record.timestamp).toMatch(/^20/);
  expect(obeyed(started.stderr())).toEqual([]);
});

function supervisorPid(terminal: Terminal): number {
  return Number(/pid (\d+),/.exec(terminal.shown())![1]);
}
