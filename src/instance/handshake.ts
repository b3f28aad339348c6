/** The first exchange with a child: what is asked, and what of the answer is believed. */
import type { Release } from '../catalog/release.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { isReserved, MAX_METHOD_NAME, MAX_METHODS, PROTOCOL_VERSION, type InitializeParams, type InitializeResult } from '../protocol/messages.ts';
import type { MethodInfo } from '../types.ts';

export function initializeParams(release: Release, options: ResolvedPluginOptions): InitializeParams {
  const { name, version, dir, entry } = release;
  return {
    protocol: PROTOCOL_VERSION,
    plugin: { name, version, dir, entry },
    initArgs: options.initArgs,
    options: options.options,
    limits: { maxMessageBytes: options.maxMessageBytes },
  };
}

export type Greeting = { kind: 'accepted'; runtime: string; methods: ReadonlyMap<string, MethodInfo> } | { kind: 'refused'; reason: string };

/** Both sides are named in a refusal, so that the reader knows which one to mend. */
export function readGreeting(answer: unknown, release: Release): Greeting {
  const refused = (reason: string): Greeting => ({ kind: 'refused', reason });
  if (typeof answer !== 'object' || answer === null) return refused('the plugin answered $/initialize with no object');
  const { protocol, methods, runtime = 'unknown', plugin } = answer as Partial<InitializeResult>;
  if (protocol !== PROTOCOL_VERSION)
    return refused(`the supervisor speaks protocol ${PROTOCOL_VERSION}, the plugin ${JSON.stringify(protocol)?.slice(0, 40) ?? 'none'}`);
  if (plugin !== undefined && (plugin?.name !== release.name || plugin.version !== release.version))
    return refused(`the supervisor started ${release.name}@${release.version}, the plugin says it is ${JSON.stringify(plugin).slice(0, 200)}`);
  if (typeof methods !== 'object' || methods === null || Array.isArray(methods))
    return refused('the plugin answered without `methods`, an object by method name');
  const names = Object.keys(methods);
  if (names.length > MAX_METHODS) return refused(`the plugin names ${names.length} methods, the supervisor takes ${MAX_METHODS}`);
  const known = new Map<string, MethodInfo>();
  for (const name of names) {
    if (name === '' || name.length > MAX_METHOD_NAME || isReserved(name))
      return refused(`the plugin names a method that the supervisor does not take: ${JSON.stringify(name.slice(0, 60))}`);
    known.set(name, methodInfo(Object.hasOwn(release.manifest.methods, name) ? release.manifest.methods[name] : undefined, methods[name]));
  }
  return { kind: 'accepted', runtime: typeof runtime === 'string' ? runtime.slice(0, 100) : 'unknown', methods: known };
}

/** What the code declares goes before what package.json does. */
function methodInfo(...declared: (MethodInfo | undefined)[]): MethodInfo {
  const info: MethodInfo = {};
  for (const given of declared) {
    if (typeof given?.idempotent === 'boolean') info.idempotent = given.idempotent;
    if (typeof given?.errorsAreFailures === 'boolean') info.errorsAreFailures = given.errorsAreFailures;
    if (typeof given?.timeoutMs === 'number' && given.timeoutMs >= 1 && given.timeoutMs < 2 ** 31) info.timeoutMs = given.timeoutMs;
  }
  return info;
}
