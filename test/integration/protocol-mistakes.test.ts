/** A plugin with a command of its own frames its messages wrongly: the error names the mistake, and what to do. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StartFailedError } from '../../src/index.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

/** Answers to `$/initialize` with what `write` makes of the JSON. */
const answering = (write: string): string => `
  let text = '';
  process.stdin.on('data', (chunk) => {
    text += chunk;
    const json = JSON.stringify({ jsonrpc: '2.0', id: 0, result: { protocolVersion: 1, plugin: { name: 'bare', version: '1.0.0' }, methods: {} } });
    if (text.includes('initialize')) { text = ''; process.stdout.write(${write}); }
  });`;

const header = 'Content-Length: ${json.length}';
test.each([
  [
    'prints text without a newline before a header',
    `\`progress...${header}\\r\\n\\r\\n\${json}\``,
    'ERR_HANDSHAKE',
    'text stands on the line of a header: "progress..."; end what is printed to stdout in a newline',
  ],
  ['writes LF for CR LF', `\`${header}\\n\\n\${json}\``, 'ERR_HANDSHAKE', 'a header line ends in LF alone: end each line in CR LF'],
  ['writes no empty line', `\`${header}\\r\\n\${json}\``, 'ERR_HANDSHAKE', 'the empty line (CR LF) between header and JSON is missing'],
  ['writes JSON lines', '`${json}\\n`', 'ERR_START_TIMEOUT', 'it wrote a message without a header: "Content-Length: <bytes>"'],
])('that %s is told so', async (_, write, code, reason) => {
  const folder = await supervise.tempDir();
  const manifest = { name: 'bare', version: '1.0.0', chameleon: { command: [process.execPath, 'main.cjs'] } };
  const dir = await putFiles(join(folder, 'bare'), { 'package.json': JSON.stringify(manifest), 'main.cjs': answering(write) });
  const { supervisor } = await supervise();
  const error = (await supervisor.load(dir, { options: { startTimeoutMs: 2_000 } }).catch((thrown: unknown) => thrown)) as StartFailedError;
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(reason);
  expect(error.message).not.toContain('raise startTimeoutMs');
});
