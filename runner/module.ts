/** How a module is loaded: the way that takes least of a start. Owns that choice; what the module exports is load.ts's business. */
import { isObject, read } from './thrown.ts';

/** Something that Node was started with, such as a hook, may be there to see an import. */
export const mayBeWatched = process.execArgv.length > 0 || process.env.NODE_OPTIONS !== undefined;

/** `require` takes ES modules, without a warning, and nobody is to see an import. */
const takesAll =
  !mayBeWatched && (process.features as { require_module?: boolean }).require_module === true && !/^v(22\.12|23\.[0-4])\./.test(process.version);

/** In a box: what a module exports may have a `then` of its own, which nobody is to call. */
export interface Loaded {
  exports: unknown;
}

/** What `file`, an absolute path in the plugin's folder `dir`, exports. */
export async function loadModule(file: string, dir: string): Promise<Loaded> {
  // What `import` needs takes milliseconds to start, and is not needed for what can be required.
  if (takesAll && /\.[cm]?js$/.test(file)) return required(file);
  if (file.endsWith('.cjs') || (file.endsWith('.js') && isCommonJs(dir))) return { exports: require(file) as unknown };
  return imported(file);
}

async function required(file: string): Promise<Loaded> {
  try {
    return { exports: require(file) as unknown };
  } catch (error) {
    if (isForImport(error, file)) return imported(file);
    throw await inFull(error, file);
  }
}

async function imported(file: string): Promise<Loaded> {
  return { exports: await import(urlOf(file)) };
}

/** It awaits something at its top, or is not there, which `import` says without a word of us. Never what has run: it would run again. */
function isForImport(error: unknown, file: string): boolean {
  if (!isObject(error)) return false;
  const code = read(error, 'code');
  if (code === 'MODULE_NOT_FOUND') return (read(error, 'requireStack') as unknown[] | undefined)?.[0] === __filename;
  return code === 'ERR_REQUIRE_ASYNC_MODULE' && !namesAnother(read(error, 'message'), file);
}

/** Whether it is not about `file` but about what that requires. Only the words of the error say so, which each Node chooses. */
function namesAnother(message: unknown, file: string): boolean {
  const [, named] = /^ *(?:Requiring|Required module:) (.*?) *$/m.exec(String(message)) ?? [];
  const { realpathSync } = require('node:fs') as typeof import('node:fs');
  return named !== undefined && named !== file && named !== realpathSync(file);
}

/** An ES module that comes first and throws: what stands behind it is linked, and never runs. */
const LINKED_ONLY = 'data:text/javascript,throw null';

/**
 * Which file asks for an export that is not there only `import` says, and only of modules that are new to it: in a thread of its own. Nothing
 * of the plugin runs there: it may have run here already, where the error came from something that it loads while it runs.
 */
async function inFull(error: unknown, file: string): Promise<unknown> {
  if (!(error instanceof SyntaxError) || !error.message.includes('does not provide an export')) return error;
  const { Worker } = require('node:worker_threads') as typeof import('node:worker_threads');
  return new Promise((resolve) => {
    const source = `import ${JSON.stringify(LINKED_ONLY)}; import ${JSON.stringify(urlOf(file))};`;
    const thread = new Worker(`import(${JSON.stringify(`data:text/javascript,${encodeURIComponent(source)}`)})`, { eval: true });
    thread.once('error', (again) => resolve(again instanceof SyntaxError ? again : error));
    thread.once('exit', () => resolve(error));
  }).catch(() => error);
}

function isCommonJs(dir: string): boolean {
  const { join } = require('node:path') as typeof import('node:path');
  try {
    return (require(join(dir, 'package.json')) as { type?: unknown }).type === 'commonjs';
  } catch {
    return false;
  }
}

function urlOf(file: string): string {
  const { pathToFileURL } = require('node:url') as typeof import('node:url');
  return pathToFileURL(file).href;
}
