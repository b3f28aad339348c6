/** Help, mistakes in writing, and what happens when no supervisor runs. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { release, Workplace } from './run.ts';

let work: Workplace;
beforeAll(() => {
  work = new Workplace();
});
afterAll(release);

const COMMANDS = ['start', 'validate', 'status', 'call', 'methods', 'metrics', 'load', 'reload', 'rollback', 'unload', 'logs'];

test('help lists every command, and that of each has examples', async () => {
  const { code, stdout, stderr } = await work.run(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
  for (const command of COMMANDS) {
    const help = await work.run([command, '--help']);
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/Examples:\n {2}\$ chameleon-supervisor /);
    expect(help.stdout).toContain('CHAMELEON_CONFIG');
  }
});

test('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  expect(await work.run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
});

test.each<[string, string[], RegExp]>([
  ['a command that is nearly right', ['statsu'], /unknown command 'statsu'\n\(Did you mean status\?\)/],
  ['a flag that is nearly right', ['status', '--sockt', 'x'], /unknown option '--sockt'\n\(Did you mean --socket\?\)/],
  ['no command', [], /Usage: chameleon-supervisor/],
  ['an argument too many', ['reload', 'a', 'b'], /too many arguments/],
  ['an argument too few', ['reload'], /missing required argument 'name'/],
  ['a level that is none', ['start', '--log-level', 'loud'], /Allowed choices are error, warn, info, debug/],
  ['a file of arguments that is not there', ['call', 'a', 'b', '@missing'], /cannot read the arguments from "missing"/],
])('%s: exit 2, and the way to write it', async (_, args, text) => {
  const { code, stdout, stderr } = await work.run(args);
  expect(stderr).toMatch(text);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('a mistake is JSON where JSON is wanted', async () => {
  const { code, stderr } = await work.run(['statsu', '--json']);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'ERR_USAGE', message: expect.stringContaining('Did you mean status?') } });
  expect(code).toBe(2);
});

test.each([
  ['status'],
  ['call', 'a', 'b'],
  ['methods', 'a'],
  ['metrics'],
  ['load', '.'],
  ['reload', 'a'],
  ['rollback', 'a'],
  ['unload', 'a'],
  ['logs'],
])('%s without a supervisor: exit 3, and how to start one', async (...args) => {
  const { code, stdout, stderr } = await work.run(args);
  expect(stderr).toContain(`no supervisor is running on ${work.socket}`);
  expect(stderr).toContain('chameleon-supervisor start');
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
});

test("a socket's path that the system would cut: exit 2", async () => {
  expect(await work.run(['status', '--socket', `/tmp/${'x'.repeat(120)}`])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('the system allows'),
  });
});
