/**
 * What is remembered of each plugin: which version is active, what it can go back to, and which versions have failed. Decides which of
 * several installed versions is to be active; keeps that on disk where it was given a folder.
 */
import satisfies from 'semver/functions/satisfies.js';
import { highestSatisfying } from '../catalog/reference.ts';
import type { Release } from '../catalog/release.ts';
import type { FolderLock } from './folder-lock.ts';
import type { Memories, PluginMemory, StateFile } from './state-file.ts';

/** Where it is kept. */
export interface Keeping {
  file: StateFile;
  lock: FolderLock;
}

const NOTHING: PluginMemory = { range: '*', active: null, previous: null, held: null, pinned: [], failed: [], known: [] };

export class Memory {
  readonly #memories: Memories;
  #keeping: Keeping | null;
  readonly #onLost: (error: Error) => void;

  /** `onLost` is told that something could not be kept; what runs is not touched by that. */
  constructor(memories: Memories, keeping: Keeping | null, onLost: (error: Error) => void) {
    this.#memories = memories;
    this.#keeping = keeping;
    this.#onLost = onLost;
  }

  of(plugin: string): Readonly<PluginMemory> {
    return this.#memories.get(plugin) ?? NOTHING;
  }

  /**
   * Of the installed releases the one that is to be active: what was active, unless the range was changed or a higher version has come
   * since; else the highest in the range that has not failed.
   */
  choose(plugin: string, releases: readonly Release[], range: string): Release | undefined {
    const { active, failed, known, range: before } = this.of(plugin);
    const highest =
      highestSatisfying(
        releases.filter((release) => !failed.includes(release.version)),
        range,
      ) ?? highestSatisfying(releases, range);
    const last = releases.find(({ version }) => version === active);
    const isNew = highest !== undefined && !known.includes(highest.version);
    // Somebody chose it by name, so a pre-release fits too.
    const fits = last !== undefined && satisfies(last.version, range, { includePrerelease: true });
    return fits && range === before && !isNew ? last : highest;
  }

  change(plugin: string, changes: Partial<PluginMemory>): void {
    this.#memories.set(plugin, { ...this.of(plugin), ...changes });
  }

  fail(plugin: string, version: string): void {
    const { failed } = this.of(plugin);
    if (!failed.includes(version)) this.change(plugin, { failed: [...failed, version] });
  }

  forgive(plugin: string, version: string): void {
    this.change(plugin, { failed: this.of(plugin).failed.filter((each) => each !== version) });
  }

  /** It was changed: it counts as new. */
  reconsider(plugin: string, version: string): void {
    const { failed, known } = this.of(plugin);
    if (failed.includes(version)) this.change(plugin, { known: known.filter((each) => each !== version) });
    this.forgive(plugin, version);
  }

  forget(plugin: string): void {
    this.#memories.delete(plugin);
  }

  /** Resolves once all of it is kept, or could not be. */
  async save(): Promise<void> {
    await this.#keeping?.file.save(this.#memories).catch(this.#onLost);
  }

  async close(): Promise<void> {
    const saved = this.save();
    const keeping = this.#keeping;
    // What happens from now on is not ours to keep: the folder may be another supervisor's by then.
    this.#keeping = null;
    await saved;
    await keeping?.lock.release().catch(this.#onLost);
  }
}
