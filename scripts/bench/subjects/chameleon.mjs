/** The whole supervised path, with every option at its default. */
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';

export async function open() {
  const supervisor = await createSupervisor();
  await supervisor.load(fileURLToPath(new URL('../plugins/echo', import.meta.url)));
  return { call: (text) => supervisor.call('echo', 'echo', [text]), close: () => supervisor.close() };
}
