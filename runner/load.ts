/** From an entry file to a plugin that is ready: import, shape, `init`, `health`. Owns what a plugin must look like; runs no calls. */
import { isReserved, MAX_METHOD_NAME, MAX_METHODS } from '../src/protocol/messages.ts';
import type { InitializeParams, InitializeResult } from '../src/protocol/messages.ts';
import type { PluginLog } from './api.ts';
import { loadModule, type Loaded } from './module.ts';
import { native } from './natives.ts';
import { isObject } from './thrown.ts';

type Phase = 'handshake' | 'import' | 'init' | 'health';
type PluginFunction = (this: unknown, ...args: unknown[]) => unknown;

/** Why the plugin did not become ready: `cause` is what was thrown. */
export class StartFailure extends Error {
  readonly phase: Phase;
  constructor(phase: Phase, cause: unknown) {
    super(`${phase} failed`, { cause });
    this.phase = phase;
  }
}

export interface LoadedPlugin {
  readonly methods: ReadonlyMap<string, PluginFunction>;
  readonly declared: InitializeResult['methods'];
  init(context: object): unknown;
  health(): unknown;
  free(): unknown;
  /** Null where the plugin hands nothing over. */
  onQuiesce: ((context?: unknown) => unknown) | null;
  onResume: ((context?: unknown) => unknown) | null;
}

/** A phase that takes longer, and leaves the event loop free, waits for something else than the processor. */
const WAITING_MS = 50;

/** `onWaiting` is told of `init` and `health` where they wait; an import has files to read. Throws `StartFailure`. */
export async function loadPlugin(
  { plugin, initArgs, options, state }: InitializeParams,
  log: PluginLog,
  onWaiting: (phase: Phase) => void,
): Promise<LoadedPlugin> {
  const { name, version, dir } = plugin;
  const loaded = await during('import', async () => shapeOf((await importEntry(dir, plugin.entry)).exports, plugin.entry));
  await during('init', () => loaded.init({ name, version, dir, initArgs, options, state, log }), onWaiting);
  await during('health', () => loaded.health(), onWaiting);
  return loaded;
}

/** Makes the plugin's folder the working directory. Throws `StartFailure`. */
export function enter(dir: string): void {
  try {
    native.chdir(dir);
  } catch (error) {
    throw new StartFailure('import', error);
  }
}

async function during<T>(phase: Phase, work: () => T, onWaiting?: (phase: Phase) => void): Promise<Awaited<T>> {
  const waiting = onWaiting && native.setTimeout(() => onWaiting(phase), WAITING_MS);
  try {
    return await work();
  } catch (error) {
    throw new StartFailure(phase, error);
  } finally {
    if (waiting !== undefined) native.clearTimeout(waiting);
  }
}

async function importEntry(dir: string, entry: string | null): Promise<Loaded> {
  if (entry === null) throw new TypeError('the plugin has no entry: name it in package.json, as in "main": "index.js"');
  const { resolve } = require('node:path') as typeof import('node:path');
  return loadModule(resolve(dir, entry), dir);
}

/** Finds the plugin in what the entry exports: a default export, `module.exports`, or named exports. */
function shapeOf(exported: unknown, entry: string | null): LoadedPlugin {
  let plugin = exported;
  // Twice: a CommonJS module that was compiled from ESM has its default export inside the default export.
  for (let depth = 0; depth < 2 && isObject(plugin) && !('methods' in plugin) && 'default' in plugin; depth++) plugin = plugin.default;
  if (!isObject(plugin) || !('methods' in plugin)) throw new TypeError(`${entry} exports no methods: ${EXAMPLE}`);
  const { methods: given } = plugin;
  if (!isObject(given) || Array.isArray(given)) throw new TypeError(`\`methods\` of ${entry} is no object: ${EXAMPLE}`);
  const methods = new Map<string, PluginFunction>();
  const declared: [string, object][] = [];
  for (const [name, fn] of Object.entries(given)) {
    checkName(name);
    if (typeof fn !== 'function') throw new TypeError(`method ${name} is no function but ${fn === null ? 'null' : typeof fn}`);
    methods.set(name, fn as PluginFunction);
    declared.push([name, infoOf(name, fn as PluginFunction)]);
  }
  if (methods.size > MAX_METHODS) throw new TypeError(`there are ${methods.size} methods, the limit is ${MAX_METHODS}`);
  return {
    methods,
    // Not by assignment: a method may be called __proto__.
    declared: Object.fromEntries(declared),
    init: hook(plugin, 'init') ?? nothing,
    health: hook(plugin, 'health') ?? nothing,
    free: hook(plugin, 'free') ?? nothing,
    onQuiesce: hook(plugin, 'onQuiesce'),
    onResume: hook(plugin, 'onResume'),
  };
}

const nothing = (): undefined => undefined;

const EXAMPLE = 'write `export default { methods: { greet(name) { return `Hello ${name}`; } } }`';
const METHOD_INFO = Symbol.for('chameleon-supervisor.method');

function checkName(name: string): void {
  const shown = JSON.stringify(name.slice(0, 60));
  if (name === '') throw new TypeError('a method has an empty name');
  if (isReserved(name)) throw new TypeError(`method ${shown} has a reserved name: it may not start with "$/" or "rpc."`);
  if (name.length > MAX_METHOD_NAME) throw new TypeError(`method ${shown}… has a name of ${name.length} characters, the limit is ${MAX_METHOD_NAME}`);
}

function infoOf(name: string, fn: object): InitializeResult['methods'][string] {
  const info = (fn as Record<symbol, InitializeResult['methods'][string] | undefined>)[METHOD_INFO] ?? {};
  const { idempotent, readonly, timeoutMs, errorsAreFailures, params, result } = info;
  for (const [key, value] of Object.entries({ idempotent, readonly, errorsAreFailures })) {
    if (value !== undefined && typeof value !== 'boolean')
      throw new TypeError(`method ${name} declares ${key} as ${typeof value}: it is true or false`);
  }
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw new TypeError(`method ${name} declares a timeoutMs of ${String(timeoutMs)}: it is a positive number of milliseconds`);
  }
  for (const [key, value] of Object.entries({ params, result })) {
    if (value !== undefined && (!isObject(value) || Array.isArray(value)))
      throw new TypeError(`method ${name} declares ${key} that is no JSON Schema`);
  }
  return { idempotent, readonly, timeoutMs, errorsAreFailures, params, result };
}

function hook(plugin: object, name: 'init' | 'health' | 'free' | 'onQuiesce' | 'onResume'): ((context?: unknown) => unknown) | null {
  const fn = (plugin as Record<string, unknown>)[name];
  if (fn === undefined) return null;
  if (typeof fn !== 'function') throw new TypeError(`\`${name}\` is no function but ${fn === null ? 'null' : typeof fn}`);
  return (context) => Reflect.apply(fn, plugin, context === undefined ? [] : [context]) as unknown;
}
