/**
 * Install scripts, of the packages that were named and of no other. A name is the registry's: neither an alias, nor a folder that came
 * along in an archive, gets to run by it.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plan } from './lockfile.ts';
import { isFile, removeCommands } from './modules.ts';
import { npm, type NpmRun } from './npm.ts';

/** Runs them in the plugin's folder; `plan` is null where npm fetched nothing. Resolves with the names of which no script ran. */
export async function runScripts(run: NpmRun, allowed: readonly string[], plan: Plan | null): Promise<string[]> {
  const { cwd: dir } = run;
  const chosen: string[] = [];
  for (const [place, { origin, name }] of plan?.packages ?? []) {
    if (origin === 'registry' && allowed.includes(name) && (await isFile(join(dir, place, 'package.json')))) chosen.push(place);
  }
  if (plan !== null && chosen.length > 0) await rebuild(run, allowed, chosen, plan);
  const names = chosen.map((place) => plan!.packages.get(place)!.name);
  return [...new Set(allowed)].filter((name) => !names.includes(name));
}

async function rebuild(run: NpmRun, allowed: readonly string[], chosen: readonly string[], plan: Plan): Promise<void> {
  const { cwd: dir } = run;
  const paths = (places: readonly string[]): string[] => places.map((place) => join(dir, place));
  // Newer npms ask a configuration of the project which scripts may run, and take no flag for it. The package itself may bring none.
  const config = join(dir, '.npmrc');
  await writeFile(config, `allow-scripts=${allowed.join(',')}\n`, { flag: 'wx' });
  try {
    // Scripts use commands of the packages that they need. Commands of others could take the place of `node` or `sh`.
    await npm(['rebuild', '--bin-links=true', ...paths(needed(chosen, plan))], run);
    await npm(['rebuild', '--bin-links=true', ...paths(chosen)], { ...run, scripts: true });
  } finally {
    await rm(config);
  }
  await removeCommands(join(dir, 'node_modules'));
}

/** These packages, and all that came from the registry for them. */
function needed(places: readonly string[], { packages, edges }: Plan): string[] {
  const reached = new Set(places);
  for (const place of reached) for (const { from, to } of edges) if (from === place) reached.add(to);
  return [...reached].filter((place) => packages.get(place)!.origin !== 'plugin');
}
