/**
 * The configuration file: found, read, validated. Its folder is the only thing that it adds to the options.
 *
 * 1. Every mistake, one of syntax too, is a `ConfigInvalidError` whose source is the file.
 * 2. A second reading sees the file as it is then: no module cache lies between (SIGHUP re-reads it).
 */
import { extname, resolve } from 'node:path';
import { ConfigInvalidError, type SupervisorOptions, validateOptions } from '../index.ts';
import { FileRefused, readRegularFile } from '../util/read-file.ts';
import { baseDirOf, CONFIG_KINDS, ConfigRefused, findConfig, refuseForeign } from './find-config.ts';

export interface ConfigFile {
  /** Null when there is none: then every option has its default. */
  file: string | null;
  /** The project's folder: that of the file, or the one above when the file lies in `.config/`. */
  baseDir: string;
  /** A relative `pluginDir` is resolved against the file's own folder. */
  options: SupervisorOptions;
}

export interface ConfigPlace {
  cwd: string;
  /** The file, where one was named. */
  file?: string | undefined;
  /** A folder whose own configuration files are not used unless one is named. */
  except?: string | undefined;
}

const MAX_BYTES = 2 ** 20;

/** Reads `file`, or looks for one from `cwd` upwards. Throws `ConfigInvalidError` with every mistake at once. */
export async function loadConfig({ cwd, file: named, except }: ConfigPlace): Promise<ConfigFile> {
  const file = await chooseFile({ cwd, file: named, except });
  if (file === null) return { file, baseDir: cwd, options: {} };
  const options = validated(await read(file), file);
  if (options.pluginDir !== undefined) options.pluginDir = resolve(file, '..', options.pluginDir);
  return { file, baseDir: baseDirOf(file), options };
}

async function chooseFile({ cwd, file: named, except }: ConfigPlace): Promise<string | null> {
  try {
    const file = named === undefined ? await findConfig(cwd, except) : resolve(cwd, named);
    // A file that was named was chosen, so its data is used whoever wrote it. Code needs more than a name.
    if (file !== null && (named === undefined || extname(file) !== '.json')) await refuseForeign(file);
    return file;
  } catch (error) {
    throw error instanceof ConfigRefused ? invalid(error.file, error.message) : error;
  }
}

async function read(file: string): Promise<unknown> {
  const kind = extname(file);
  if (!CONFIG_KINDS.some((known) => known === kind)) throw invalid(file, `expected a file that ends in ${CONFIG_KINDS.join(', ')}`);
  let text: string;
  try {
    text = (await readRegularFile(file, { maxBytes: MAX_BYTES })).replace(/^\uFEFF/, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw invalid(file, !(error instanceof FileRefused) && code === 'ENOENT' ? 'is not there' : message);
  }
  if (text.trim() === '') throw invalid(file, 'is empty; {} stands for no options');
  return kind === '.json' ? readJson(file, text) : readModule(file, text);
}

function readJson(file: string, text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    // The editor's pointer to the schema, no option.
    return Object.fromEntries(Object.entries(value).filter(([key]) => key !== '$schema'));
  } catch (error) {
    const message = (error as SyntaxError).message.replace(/ \(line .*/, '');
    const at = /end of JSON/.test(message) ? text.length : /at position (\d+)/.exec(message)?.[1];
    const before = at === undefined ? null : text.slice(0, Number(at)).split('\n');
    throw invalid(file, `is not JSON: ${message}${before === null ? '' : ` (line ${before.length}, column ${before.at(-1)!.length + 1})`}`);
  }
}

async function readModule(file: string, text: string): Promise<unknown> {
  const { createJiti } = await import('jiti');
  // The file may be anywhere, with no installation of ours in reach of it; all that it needs of ours is the identity function.
  const virtualModules = { 'chameleon-supervisor/config': { defineConfig: (config: unknown) => config } };
  const jiti = createJiti(file, { fsCache: false, moduleCache: false, interopDefault: false, virtualModules });
  let loaded: { default?: unknown; __esModule?: true };
  try {
    loaded = (await jiti.evalModule(text, { id: file, filename: file, async: true, forceTranspile: true })) as typeof loaded;
  } catch (error) {
    throw invalid(file, `cannot be loaded: ${error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').trim() : String(error)}`);
  }
  if (loaded.default !== undefined) return loaded.default;
  if (loaded.__esModule) throw invalid(file, 'has no default export; export default defineConfig({ … })');
  return loaded;
}

function validated(value: unknown, file: string): SupervisorOptions {
  if (typeof value !== 'object' || value === null || !('logger' in value)) return validateOptions(value, file);
  const { logger: _, ...rest } = value;
  const refused = { path: 'logger', message: 'a file holds no logger; the command logs by itself, a host gives its own to createSupervisor' };
  try {
    validateOptions(rest, file);
  } catch (error) {
    if (error instanceof ConfigInvalidError) throw new ConfigInvalidError([refused, ...error.issues], file);
    throw error;
  }
  throw new ConfigInvalidError([refused], file);
}

const invalid = (file: string, message: string): ConfigInvalidError => new ConfigInvalidError([{ path: '', message }], file);
