/**
 * Keeps code that other users could change from being started: refused under `strictModes`, else named in one warning for each folder.
 *
 * 1. The folders that lead to the plugin folder count, through every link in its name: whoever changes a link chooses the plugins.
 * 2. Of a version's files only package.json and its module or program are judged. `verifyRelease` compares the others of an installed version.
 */
import { join, resolve } from 'node:path';
import type { Catalog } from '../catalog/catalog.ts';
import type { Release } from '../catalog/release.ts';
import { UnsafeFolderError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { ignoreMissing } from '../util/missing.ts';
import { shown } from '../util/naming.ts';
import { findOtherWriter, Lookups } from '../util/other-writers.ts';

interface Exposure {
  path: string;
  reason: string;
}

export class StrictModes {
  readonly #isOn: () => boolean;
  readonly #emit: Emit;
  readonly #warned = new Set<string>();

  constructor(isOn: () => boolean, emit: Emit) {
    this.#isOn = isOn;
    this.#emit = emit;
  }

  /** The catalog of `pluginDir`, with its exposed releases among the refused ones where `strictModes` is on. */
  async judge(catalog: Catalog, pluginDir: string): Promise<Catalog> {
    const exposed = await findExposed(catalog, pluginDir);
    if (exposed.size === 0) return catalog;
    if (!this.#isOn()) {
      for (const exposure of exposed.values()) this.#warn(exposure);
      return catalog;
    }
    const releases = new Map<string, readonly Release[]>();
    for (const [name, versions] of catalog.releases) {
      const safe = versions.filter((release) => !exposed.has(release));
      if (safe.length > 0) releases.set(name, safe);
    }
    const refused = [...exposed].map(([release, { reason }]) => ({ path: release.dir, error: refusal(release, reason) }));
    return { releases, refused: [...catalog.refused, ...refused] };
  }

  /**
   * `named` is the path by which it was asked for, if that may hold links. Throws `UnsafeFolderError` where `strictModes` is on, and the
   * error of a file system that cannot be read now.
   */
  async check(release: Release, named?: string): Promise<void> {
    const exposure = await exposureOf(release, new Lookups(), named);
    if (exposure === null) return;
    if (this.#isOn()) throw refusal(release, exposure.reason);
    this.#warn(exposure);
  }

  #warn({ path, reason }: Exposure): void {
    if (this.#warned.has(reason)) return;
    this.#warned.add(reason);
    const message = `other users could change the plugins in ${shown(path)}, which run as this user: ${reason}; chown it, or take away their permission (chmod go-w)`;
    this.#emit({ kind: 'folder-exposed', path, message });
  }
}

const refusal = (release: Release, reason: string): UnsafeFolderError =>
  new UnsafeFolderError({ plugin: release.name, version: release.version }, release.dir, reason);

/** Paths that cannot be read now are left to the check before each start. */
async function findExposed({ releases }: Catalog, pluginDir: string): Promise<Map<Release, Exposure>> {
  const lookups = new Lookups();
  const reason = await findOtherWriter(pluginDir, lookups).catch(() => null); // Keeps 1.
  const exposed = new Map<Release, Exposure>();
  for (const release of [...releases.values()].flat()) {
    const exposure = reason === null ? await exposureOf(release, lookups).catch(() => null) : { path: pluginDir, reason };
    if (exposure !== null) exposed.set(release, exposure);
  }
  return exposed;
}

async function exposureOf({ dir, entry, manifest }: Release, lookups: Lookups, named = dir): Promise<Exposure | null> {
  const program = manifest.command?.[0];
  const files = [join(dir, 'package.json'), entry, program?.includes('/') ? resolve(dir, program) : null]; // Keeps 2.
  const paths = new Set([named, dir, ...files].filter((each) => each !== null));
  for (const path of paths) {
    // Nobody can change a file that is gone, and its start fails by itself.
    const reason = await findOtherWriter(path, lookups).catch(ignoreMissing);
    if (typeof reason === 'string') return { path: dir, reason };
  }
  return null;
}
