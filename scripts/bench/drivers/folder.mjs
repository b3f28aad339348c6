/** Folders of plugins that answer what they are sent, for as long as `use` takes. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `use` is given the folder; the plugins in it are `echo-0`, `echo-1` and so on. */
export async function withPlugins(count, use) {
  const dir = await mkdtemp(join(tmpdir(), 'chameleon-bench-'));
  try {
    for (let i = 0; i < count; i++) {
      const folder = join(dir, `echo-${i}`);
      await mkdir(folder);
      await writeFile(join(folder, 'package.json'), JSON.stringify({ name: `echo-${i}`, version: '1.0.0', main: 'index.js' }));
      await writeFile(join(folder, 'index.js'), 'module.exports = { methods: { echo: (text) => text } };\n');
    }
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}
