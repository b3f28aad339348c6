/**
 * What a supervisor remembers from one life to the next, on disk: `state.json`, and the generation before it. Owns the files; what is
 * in them, and what it is good for, is memory.ts's matter.
 *
 * 1. Whenever it is interrupted, one whole generation is there.
 * 2. What cannot be read is set aside, never overwritten and never fatal.
 */
import { link, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ignoreMissing } from '../util/missing.ts';
import { isPluginName, isRange, isVersion } from '../util/naming.ts';
import { FileRefused, readRegularFile } from '../util/read-file.ts';
import { syncFolder } from '../util/sync-folder.ts';
import { setAside, setAsideUnlessFile } from './set-aside.ts';

const FORMAT = 1;
const CURRENT = 'state.json';
const BEFORE = 'state.before.json';
const DAMAGED = 'state.damaged.json';
const FRESH = `${CURRENT}.new`;
const NEXT_BEFORE = `${BEFORE}.new`;
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
  readonly #onSetAside: (message: string) => void;
  #saving: Promise<void> = Promise.resolve();
  #next: { text: string; saved: Promise<void> } | null = null;

  /** `onSetAside` is told of anything in the place of a file that had to make room for it. */
  constructor(dir: string, onSetAside: (message: string) => void = () => {}) {
    this.#dir = dir;
    this.#onSetAside = onSetAside;
  }

  /** The newest generation that can be read; an empty one when there is none. */
  async recover(): Promise<Recovered> {
    const { memories, damage } = await this.#newest();
    const cleared = await Promise.all([FRESH, NEXT_BEFORE].map((name) => setAsideUnlessFile(this.#dir, name).catch(messageOf)));
    const all = [damage, ...cleared].filter((message) => message !== null);
    return { memories, damage: all.length === 0 ? null : all.join('; ') };
  }

  async #newest(): Promise<Recovered> {
    const current = await this.#read(CURRENT);
    if (current.kind === 'whole') return { memories: current.memories, damage: null };
    const before = await this.#read(BEFORE);
    const memories: Memories = before.kind === 'whole' ? before.memories : new Map();
    // Without a current one it was interrupted between two steps, or never was: neither is damage.
    if (current.kind === 'missing') return { memories, damage: before.kind === 'damaged' ? await this.#setAside(BEFORE, before.reason) : null };
    const instead = before.kind === 'whole' ? `the generation before it is used` : 'nothing is remembered';
    return { memories, damage: `${await this.#setAside(CURRENT, current.reason, DAMAGED)}, ${instead}` };
  }

  /** The same, for who only wants to look: nothing is set aside. */
  async peek(): Promise<Memories> {
    for (const name of [CURRENT, BEFORE]) {
      const found = await this.#read(name);
      if (found.kind === 'whole') return found.memories;
    }
    return new Map();
  }

  /** Resolves with what was wrong and what became of it. */
  async #setAside(name: string, reason: string, as?: string): Promise<string> {
    const outcome = await setAside(this.#dir, name, as).then((newName) => `it is set aside as ${newName}`, messageOf);
    return `${join(this.#dir, name)} ${reason}: ${outcome}`;
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
    const [current, before, fresh, nextBefore] = [CURRENT, BEFORE, FRESH, NEXT_BEFORE].map((name) => join(this.#dir, name)) as [
      string,
      string,
      string,
      string,
    ];
    for (const name of [FRESH, NEXT_BEFORE, CURRENT, BEFORE]) {
      const told = await setAsideUnlessFile(this.#dir, name);
      if (told !== null) this.#onSetAside(told);
    }
    await writeDurably(fresh, text);
    // A link and not a copy: its content is on the disk already, and nothing is opened that may have been put there since.
    await rm(nextBefore, { force: true });
    await link(current, nextBefore)
      .then(() => rename(nextBefore, before))
      .catch(ignoreMissing);
    await rename(fresh, current);
    await syncFolder(this.#dir);
  }

  async #read(name: string): Promise<{ kind: 'whole'; memories: Memories } | { kind: 'missing' } | { kind: 'damaged'; reason: string }> {
    try {
      const text = await readRegularFile(join(this.#dir, name), { maxBytes: MAX_BYTES, follow: false });
      const checked = schema.safeParse(JSON.parse(text));
      if (checked.success) return { kind: 'whole', memories: new Map(Object.entries(checked.data.plugins)) };
      return { kind: 'damaged', reason: 'is not what a supervisor wrote' };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' };
      const { message } = error as Error;
      return { kind: 'damaged', reason: error instanceof FileRefused ? message : `cannot be read (${message})` };
    }
  }
}

/** Into a file that is made for it: what a killed process left of that name is removed, and never written to. */
async function writeDurably(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

const messageOf = (error: Error): string => error.message;
