/** What a child that waits for its plugin does ahead, since every start needs it. A child that is started for its plugin does none of it. */

const EMPTY_MODULE: string = 'data:text/javascript,';

/** Wakes the loader of ES modules, unless what Node was started with may see that it does. */
export async function warmUp(): Promise<void> {
  require('node:path');
  require('node:url');
  if (process.execArgv.length > 0 || process.env.NODE_OPTIONS !== undefined) return;
  await import(EMPTY_MODULE).catch(() => {});
}
