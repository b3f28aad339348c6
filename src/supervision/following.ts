/** Whether the plugin folder is watched, and which. Loads what watches only where that is asked for. */
import { realpath } from 'node:fs/promises';
import type { Emit } from '../events.ts';
import type { ResolvedOptions } from '../options.ts';
import { Turns } from '../util/turns.ts';
import type { FolderWatch } from '../watch/plugin-folder.ts';
import type { Reconciler } from './reconciler.ts';

export class Following {
  readonly #reconciler: Reconciler;
  readonly #emit: Emit;
  #watched: { dir: string; watch: FolderWatch } | null = null;
  readonly #turns = new Turns();
  #closed = false;

  constructor(reconciler: Reconciler, emit: Emit) {
    this.#reconciler = reconciler;
    this.#emit = emit;
  }

  /** From now on the plugin folder of these options, or none. */
  of(options: ResolvedOptions): Promise<void> {
    return this.#turns.take(() => this.#follow(options));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turns.take(() => this.#end());
  }

  async #follow({ watch, pluginDir }: ResolvedOptions): Promise<void> {
    const dir = watch && pluginDir !== null ? await realpath(pluginDir) : null;
    if (this.#closed || dir === (this.#watched?.dir ?? null)) return;
    await this.#end();
    if (dir === null) return;
    const onError = (error: Error): void => this.#emit({ kind: 'watch-failed', message: error.message });
    const { watchPluginFolder } = await import('../watch/plugin-folder.ts');
    this.#watched = { dir, watch: await watchPluginFolder(dir, (paths) => this.#reconciler.refresh(paths), onError) };
  }

  async #end(): Promise<void> {
    const watched = this.#watched;
    this.#watched = null;
    await watched?.watch.close();
  }
}
