/** What a child that waits for its plugin does ahead, since every start needs it. A child that is started for its plugin does none of it. */
import { loadModule, mayBeWatched } from './module.ts';

/** Modules that do nothing; one of each kind, and another one that finds the loader awake. */
const MODULES = ['api.js', 'api.js?again', 'nothing.cjs'];

/** Wakes the loaders of modules, unless somebody may see that. */
export async function warmUp(): Promise<void> {
  if (mayBeWatched) return;
  const { join } = require('node:path') as typeof import('node:path');
  const { pathToFileURL } = require('node:url') as typeof import('node:url');
  await loadModule(join(__dirname, 'api.js'), __dirname).catch(() => {});
  const here = pathToFileURL(join(__dirname, '/')).href;
  for (const module of MODULES) await import(here + module).catch(() => {});
  for (const name of ['api.js', 'nothing.cjs']) delete require.cache[join(__dirname, name)];
}
