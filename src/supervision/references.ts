/** What callers call plugins by, parsed once. */
import { parseReference, type Reference } from '../catalog/reference.ts';
import { isChameleonError, PluginNotFoundError, VersionNotFoundError } from '../errors.ts';
import type { Plugin } from './plugin.ts';

/** Callers use few. */
const MAX_REFERENCES = 1_000;

export class References {
  readonly #plugins: ReadonlyMap<string, Plugin>;
  readonly #known = new Map<string, Reference>();

  constructor(plugins: ReadonlyMap<string, Plugin>) {
    this.#plugins = plugins;
  }

  /** Throws `PluginNotFoundError` and `VersionNotFoundError`. */
  of(text: string): Reference {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const reference = this.#parse(text);
    if (this.#known.size >= MAX_REFERENCES) this.#known.clear();
    this.#known.set(text, reference);
    return reference;
  }

  /** A reference that cannot be one is an unknown plugin or version, so the error says what there is. */
  #parse(text: string): Reference {
    try {
      return parseReference(text);
    } catch (error) {
      if (isChameleonError(error) && error.code === 'ERR_PLUGIN_NOT_FOUND')
        throw new PluginNotFoundError(error.plugin ?? '', [...this.#plugins.keys()]);
      if (!(error instanceof VersionNotFoundError)) throw error;
      const versions = this.#plugins.get(error.plugin ?? '')?.status().versions ?? [];
      throw new VersionNotFoundError(
        error.plugin ?? '',
        error.range,
        versions.map(({ version }) => version),
      );
    }
  }
}
