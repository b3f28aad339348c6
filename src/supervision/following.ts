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
  #watched: { dir: string; real: string; watch: FolderWatch } | null = null;
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
    const dir = watch ? pluginDir : null;
    const real = dir === null ? null : await realpath(dir);
    if (this.#closed || (dir === this.#watched?.dir && real === this.#watched?.real) || (dir === null && this.#watched === null)) return;
    await this.#end();
    if (dir === null || real === null) return;
    const { watchPluginFolder } = await import('../watch/plugin-folder.ts');
    const folder = await watchPluginFolder({
      dir,
      onChange: (paths) => this.#reconciler.refresh(paths),
      onMoved: () => void this.#turns.take(() => this.#moved(dir)),
      onError: (error) => this.#emit({ kind: 'watch-failed', message: error.message }),
    });
    this.#watched = { dir, real, watch: folder };
  }

  /** The plugin folder is another one now: its links were switched. */
  async #moved(dir: string): Promise<void> {
    if (this.#closed || this.#watched?.dir !== dir) return;
    try {
      await this.#follow({ ...this.#reconciler.options, watch: true, pluginDir: dir });
      await this.#reconciler.refresh(new Set());
    } catch (error) {
      this.#emit({ kind: 'watch-failed', message: (error as Error).message });
    }
  }

  async #end(): Promise<void> {
    const watched = this.#watched;
    this.#watched = null;
    await watched?.watch.close();
  }
}
