/** The files of a folder while others are at work in it, as two that verify one version at once are. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readTree } from '../../src/install/tree.ts';

test('what is gone before it is looked at is not there, and all else is', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'chameleon-tree-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'stays'), '');
  let isOver = false;
  const atWork = Array.from({ length: 4 }, async (_, n) => {
    while (!isOver) {
      await writeFile(join(dir, `draft.${n}`), '');
      await rename(join(dir, `draft.${n}`), join(dir, `final.${n}`));
    }
  });
  try {
    for (let round = 0; round < 300; round++) expect((await readTree(dir)).files.map(({ path }) => path)).toContain('stays');
  } finally {
    isOver = true;
    await Promise.all(atWork);
  }
});
