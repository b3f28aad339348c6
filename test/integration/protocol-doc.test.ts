/** The plugin in another language that docs/protocol.md shows, run as it stands there. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { PluginThrewError } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
/** The plugin is in Python, which not every machine has. */
const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.warn('skipped: the plugin of docs/protocol.md needs python3, which is not on this machine');

const text = readFileSync(resolve(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
const block = (language: string): string => new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'm').exec(text)![1]!;

test.runIf(hasPython)('the Python plugin of the document starts, serves, refuses and stops', async () => {
  const { supervisor, logs, events } = await supervise();
  const dir = await supervise.tempDir();
  await writeFile(join(dir, 'package.json'), block('json'));
  await writeFile(join(dir, 'main.py'), `print("hello from Python", flush=True)\n${block('python')}`);
  await supervisor.load(dir);
  expect(supervisor.methods('shout')).toEqual(['shout']);
  expect(await supervisor.call('shout', 'shout', ['größer 世界'])).toBe('GRÖSSER 世界!');
  const error = await rejection<PluginThrewError>(supervisor.call('shout', 'shout', [5]));
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_THREW', remote: { name: 'AttributeError' } });
  expect(logs.map(({ message }) => message)).toContain('hello from Python');
  await supervisor.close();
  const stopped = events.find(({ kind }) => kind === 'instance-stopped');
  expect(stopped).toMatchObject({ exit: { cause: 'stopped', code: 0 } });
});
