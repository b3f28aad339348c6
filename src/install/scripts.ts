/**
 * Install scripts, of the packages that were named and of no other. A name is the registry's: neither an alias, nor a folder that came
 * along in an archive, gets to run by it.
 *
 * 1. A script meets only packages that the registry has under the names that the script's package gives them: not what the plugin's
 *    lockfile says that it needs, nor what an alias of the plugin puts in the place of another package.
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';
import { aliasOf, WRITE_ANEW } from './locked-entry.ts';
import { declaredNeeds, type Plan } from './lockfile.ts';
import { isFile, readManifest, removeCommands } from './modules.ts';
import { npm, type NpmRun } from './npm.ts';

/** Runs them in the folder in which npm has put `plan`. Resolves with the names of which no script ran. Throws `Refused` and `NpmError`. */
export async function runScripts(run: NpmRun, allowed: readonly string[], plan: Plan): Promise<string[]> {
  const { cwd: dir } = run;
  const chosen: string[] = [];
  for (const [place, { origin, name }] of plan.packages) {
    if (origin === 'registry' && allowed.includes(name) && (await isFile(join(dir, place, 'package.json')))) chosen.push(place);
  }
  if (chosen.length > 0) {
    const needed = await neededBy(chosen, plan, dir);
    await withoutAliases(dir, plan, needed, () => rebuild(run, allowed, chosen, needed));
  }
  const names = chosen.map((place) => plan.packages.get(place)!.name);
  return [...new Set(allowed)].filter((name) => !names.includes(name));
}

async function rebuild(run: NpmRun, allowed: readonly string[], chosen: readonly string[], needed: readonly string[]): Promise<void> {
  const { cwd: dir } = run;
  const paths = (places: readonly string[]): string[] => places.map((place) => join(dir, place));
  // Newer npms ask a configuration of the project which scripts may run, and take no flag for it. The package itself may bring none.
  const config = join(dir, '.npmrc');
  await writeFile(config, `allow-scripts=${allowed.join(',')}\n`, { flag: 'wx' });
  try {
    // Scripts use commands of the packages that they need. Commands of others could take the place of `node` or `sh`.
    await npm(['rebuild', '--bin-links=true', ...paths(needed)], run);
    await npm(['rebuild', '--bin-links=true', ...paths(chosen)], { ...run, scripts: true });
  } finally {
    await rm(config);
  }
  await removeCommands(join(dir, 'node_modules'));
}

/** These packages, and all that they need by their own package.json. Throws `Refused` where the plan says that they need others. */
async function neededBy(chosen: readonly string[], { packages, edges }: Plan, dir: string): Promise<string[]> {
  const reached = new Set(chosen);
  for (const place of reached) {
    const manifest = await readManifest(dir, place);
    if (manifest === null) continue;
    const declared = declaredNeeds(manifest);
    for (const { name, to } of edges.filter(({ from }) => from === place)) {
      const found = packages.get(to);
      // What the plugin's archive has brought is not there while scripts run.
      if (found === undefined) continue;
      const spec = declared.get(name);
      const expected = spec === undefined ? undefined : (aliasOf(spec)?.name ?? name);
      if (found.name !== expected) {
        const said = spec === undefined ? 'does not ask for it' : `asks for ${shown(expected!)}`;
        throw new Refused(
          `has a lockfile by which ${shown(place)}, whose scripts are to run, needs ${shown(found.name)} at ${shown(to)}, and its own package.json ${said}; ${WRITE_ANEW}`,
        );
      }
      reached.add(to);
    }
  }
  return [...reached];
}

/** Takes packages that stand under another name than their own out of the way meanwhile, but for those that are needed so. */
async function withoutAliases(dir: string, { packages }: Plan, needed: readonly string[], act: () => Promise<void>): Promise<void> {
  const aliases = [...packages].filter(([place, { name }]) => !place.endsWith(`node_modules/${name}`) && !needed.includes(place));
  const moved: [string, string][] = [];
  const aside = join(dir, 'aliases');
  await mkdir(aside);
  try {
    // The inner ones first: those that hold them take them along otherwise.
    for (const [place] of aliases.toSorted(([a], [b]) => b.length - a.length)) {
      if (!(await isFile(join(dir, place, 'package.json')))) continue;
      const to = join(aside, String(moved.length));
      await rename(join(dir, place), to);
      moved.push([join(dir, place), to]);
    }
    await act();
  } finally {
    for (const [from, to] of moved.toReversed()) await rename(to, from);
    await rm(aside, { recursive: true });
  }
}
