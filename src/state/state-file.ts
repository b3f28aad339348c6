/**
 * What a supervisor remembers from one life to the next, on disk: `state.json`, and the generation before it. Owns the files; what is
 * in them, and what it is good for, is memory.ts's matter.
 *
 * 1. Whenever it is interrupted, one whole generation is there.
 * 2. What cannot be read is set aside, never overwritten and never fatal.
 */
import { copyFile, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ignoreMissing } from '../util/missing.ts';
import { isPluginName, isRange, isVersion } from '../util/naming.ts';

const FORMAT = 1;
const CURRENT = 'state.json';
const BEFORE = 'state.before.json';
const DAMAGED = 'state.damaged.json';
const MAX_BYTES = 16 * 2 ** 20;

const version = z.string().refine(isVersion);
const versions = z.array(version);
const memory = z.strictObject({
  /** The configured range under which the active version was chosen. */
  range: z.string().refine(isRange),
  active: version.nullable(),
  /** What was active before, or is held to be gone back to. */
  previous: version.nullable(),
  held: version.nullable(),
  /** Running beside the active one, and not by configuration. */
  pinned: versions,
  /** Not to be made active again by anybody but an operator. */
  failed: versions,
  /** Those that were there when the active one was chosen. */
  known: versions,
});
const schema = z.strictObject({ format: z.literal(FORMAT), plugins: z.record(z.string().refine(isPluginName), memory) });

export type PluginMemory = z.infer<typeof memory>;
export type Memories = Map<string, PluginMemory>;

export interface Recovered {
  memories: Memories;
  /** What was wrong, and what became of it; null when nothing was. */
  damage: string | null;
}

export class StateFile {
  readonly #dir: string;
  #saving: Promise<void> = Promise.resolve();
  #next: { text: string; saved: Promise<void> } | null = null;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The newest generation that can be read; an empty one when there is none. */
  async recover(): Promise<Recovered> {
    const current = await this.#read(CURRENT);
    if (current.kind === 'whole') return { memories: current.memories, damage: null };
    const before = await this.#read(BEFORE);
    const memories: Memories = before.kind === 'whole' ? before.memories : new Map();
    // Without a current one it was interrupted between two steps, or never was: neither is damage.
    if (current.kind === 'missing') return { memories, damage: before.kind === 'damaged' ? before.reason : null };
    await rename(join(this.#dir, CURRENT), join(this.#dir, DAMAGED)).catch(() => {});
    const instead = before.kind === 'whole' ? `the generation before it is used` : 'nothing is remembered';
    return { memories, damage: `${join(this.#dir, CURRENT)} ${current.reason}: it is set aside as ${DAMAGED}, ${instead}` };
  }

  /** Resolves once these are on the disk, or newer ones. Saves that are asked for meanwhile become one. */
  save(memories: Memories): Promise<void> {
    const text = `${JSON.stringify({ format: FORMAT, plugins: Object.fromEntries(memories) }, null, 2)}\n`;
    if (this.#next !== null) {
      this.#next.text = text;
      return this.#next.saved;
    }
    const next = { text, saved: Promise.resolve() };
    this.#next = next;
    next.saved = this.#saving.then(async () => {
      this.#next = null;
      await this.#write(next.text);
    });
    this.#saving = next.saved.catch(() => {});
    return next.saved;
  }

  async #write(text: string): Promise<void> {
    const [current, before, fresh] = [CURRENT, BEFORE, `${CURRENT}.new`].map((name) => join(this.#dir, name)) as [string, string, string];
    await writeDurably(fresh, text);
    await copyFile(current, `${before}.new`)
      .then(() => rename(`${before}.new`, before))
      .catch(ignoreMissing);
    await rename(fresh, current);
    await syncFolder(this.#dir);
  }

  async #read(name: string): Promise<{ kind: 'whole'; memories: Memories } | { kind: 'missing' } | { kind: 'damaged'; reason: string }> {
    try {
      const text = await readFile(join(this.#dir, name), 'utf8');
      if (text.length > MAX_BYTES) return { kind: 'damaged', reason: `is larger than ${MAX_BYTES} bytes` };
      const checked = schema.safeParse(JSON.parse(text));
      if (checked.success) return { kind: 'whole', memories: new Map(Object.entries(checked.data.plugins)) };
      return { kind: 'damaged', reason: 'is not what a supervisor wrote' };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' };
      return { kind: 'damaged', reason: `cannot be read (${(error as Error).message})` };
    }
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
