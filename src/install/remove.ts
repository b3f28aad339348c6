/**
 * Versions that go: one by name, or all but the newest; and a look at those that stay.
 *
 * 1. A version leaves by one rename and is deleted after: killed at any point, it is there whole or absent.
 */
import maxSatisfying from 'semver/ranges/max-satisfying.js';
import { IntegrityError, VersionInUseError } from '../errors.ts';
import type { InstalledVersion, PruneOptions, PruneResult, UninstallOptions, VerifyOptions, VerifyResult } from './types.ts';
import { checkNames, findInstalled, type Installed, listInstalled, realPluginDir } from './installed.ts';
import { verify } from './integrity.ts';
import { takeAway } from './place.ts';
import { sweepStale } from './staging.ts';

export async function uninstall(name: string, version: string, { pluginDir, inUse = [] }: UninstallOptions): Promise<InstalledVersion> {
  checkNames(name, version);
  const [found] = await findInstalled(pluginDir, name, version);
  if (inUse.includes(found!.dir)) throw new VersionInUseError({ plugin: name, version }, found!.dir);
  await remove(pluginDir, [found!]);
  return found!;
}

export async function prune({ pluginDir, keep, name, inUse = [], ranges = () => [] }: PruneOptions): Promise<PruneResult> {
  if (name !== undefined) checkNames(name);
  const plugins = name === undefined ? await listInstalled(pluginDir) : new Map([[name, await findInstalled(pluginDir, name)]]);
  const result: PruneResult = { removed: [], kept: [] };
  for (const [plugin, versions] of plugins) {
    const wanted = ranges(plugin).map((range) => maxSatisfying(versions.map(({ version }) => version), range)); // prettier-ignore
    const stays = (each: Installed, at: number): boolean => at < keep || inUse.includes(each.dir) || wanted.includes(each.version);
    for (const [at, each] of versions.entries()) (stays(each, at) ? result.kept : result.removed).push(each);
  }
  await remove(pluginDir, result.removed);
  return result;
}

async function remove(pluginDir: string, versions: readonly Installed[]): Promise<void> {
  const root = await realPluginDir(pluginDir);
  await sweepStale(root);
  for (const { plugin, version } of versions) await takeAway(root, plugin, version);
}

export async function verifyAll({ pluginDir, name, version }: VerifyOptions): Promise<VerifyResult[]> {
  if (name !== undefined) checkNames(name, version);
  const versions = name === undefined ? [...(await listInstalled(pluginDir)).values()].flat() : await findInstalled(pluginDir, name, version);
  const results: VerifyResult[] = [];
  for (const each of versions) results.push(await look(each));
  return results;
}

async function look(each: Installed): Promise<VerifyResult> {
  try {
    const files = await verify(each.dir, { all: true });
    return { ...each, outcome: files === null ? 'unrecorded' : 'whole', error: null };
  } catch (error) {
    if (error instanceof IntegrityError) return { ...each, outcome: 'damaged', error };
    throw error;
  }
}
