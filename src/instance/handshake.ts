/** The first exchange with a child: what is asked, and what of the answer is believed. */
import type { Release } from '../catalog/release.ts';
import { FRAME, type RemoteError } from '../error-base.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { LANE } from '../protocol/lane.ts';
import {
  ATTACHMENTS,
  isReserved,
  MAX_METHOD_NAME,
  MAX_METHODS,
  PROTOCOL_VERSION,
  type InitializeParams,
  type InitializeResult,
} from '../protocol/messages.ts';
import type { MethodInfo } from '../types.ts';
import { cut } from '../util/cut.ts';
import { shown } from '../util/naming.ts';
import type { StartFault } from './ending.ts';

export function initializeParams(release: Release, options: ResolvedPluginOptions, state: unknown): InitializeParams {
  const { name, version, dir, entry } = release;
  return {
    protocol: PROTOCOL_VERSION,
    plugin: { name, version, dir, entry },
    initArgs: options.initArgs,
    options: options.options,
    limits: { maxMessageBytes: options.maxMessageBytes },
    encodings: [ATTACHMENTS, LANE],
    ...(state !== undefined && { state }),
  };
}

export interface Welcome {
  kind: 'accepted';
  runtime: string;
  methods: ReadonlyMap<string, MethodInfo>;
  /** Bytes may travel beside the JSON, to it too. */
  takesAttachments: boolean;
}

export type Greeting = Welcome | { kind: 'refused'; reason: string };

/** Both sides are named in a refusal, so that the reader knows which one to mend. */
export function readGreeting(answer: unknown, release: Release): Greeting {
  const refused = (reason: string): Greeting => ({ kind: 'refused', reason });
  if (typeof answer !== 'object' || answer === null)
    return refused(`the supervisor asked for an object, the plugin answered $/initialize with ${shown(answer)}`);
  const { protocol, methods, runtime = 'unknown', encodings, plugin } = answer as Partial<InitializeResult>;
  if (protocol !== PROTOCOL_VERSION) return refused(`the supervisor speaks protocol ${PROTOCOL_VERSION}, the plugin ${shown(protocol)}`);
  if (plugin !== undefined && (plugin?.name !== release.name || plugin.version !== release.version))
    return refused(
      `the supervisor started ${release.name}@${release.version}, the plugin says it is ${shown(plugin?.name)} ${shown(plugin?.version)}`,
    );
  if (typeof methods !== 'object' || methods === null || Array.isArray(methods))
    return refused(`the supervisor asked for methods as an object by name, the plugin answered with ${shown(methods)}`);
  const names = Object.keys(methods);
  if (names.length > MAX_METHODS) return refused(`the plugin names ${names.length} methods, the supervisor takes ${MAX_METHODS}`);
  const known = new Map<string, MethodInfo>();
  for (const name of names) {
    if (name === '' || name.length > MAX_METHOD_NAME || isReserved(name))
      return refused(`the plugin names a method that the supervisor does not take: ${JSON.stringify(name.slice(0, 60))}`);
    known.set(name, methodInfo(Object.hasOwn(release.manifest.methods, name) ? release.manifest.methods[name] : undefined, methods[name]));
  }
  const takesAttachments = Array.isArray(encodings) && encodings.includes(ATTACHMENTS);
  return { kind: 'accepted', runtime: typeof runtime === 'string' ? runtime.slice(0, 100) : 'unknown', methods: known, takesAttachments };
}

export const PHASES = ['handshake', 'import', 'init', 'health'] as const;

const MAX_MESSAGE = 16_384;
const MAX_NAME = 200;

/**
 * Why the plugin did not become ready, in its own words where it has any. Null when the channel closed before it said so: then the
 * exit tells the story better.
 */
export function readRefusal(error: { message: string; data?: unknown }, isOpen: boolean): StartFault | null {
  const { phase, name, stack, code } = (error.data ?? {}) as Partial<Record<string, unknown>>;
  const known = PHASES.find((each) => each === phase);
  const said = cut(error.message, MAX_MESSAGE);
  if (known !== undefined) {
    const kind = known === 'handshake' ? 'handshake' : 'failed';
    if (typeof stack !== 'string') return { kind, phase: known, message: said };
    const thrown: RemoteError = { name: typeof name === 'string' ? cut(name, MAX_NAME) : 'Error', message: said, stack: cut(stack, MAX_MESSAGE) };
    if (typeof code === 'string') thrown.code = cut(code, MAX_NAME);
    return { kind, phase: known, message: summaryOf(thrown.stack!), thrown };
  }
  const message = `the supervisor sent $/initialize, the plugin refused it: ${said}`;
  return isOpen ? { kind: 'handshake', phase: 'handshake', message } : null;
}

/** All of a stack but its frames, and the place of the first one. */
function summaryOf(stack: string): string {
  const lines = stack.split('\n');
  const first = lines.findIndex((line) => FRAME.test(line));
  if (first === -1) return stack;
  const place = /\(?([^\s()]+:\d+:\d+)\)?$/.exec(lines[first]!)?.[1];
  const said = lines.slice(0, first).join('\n').trimEnd();
  return place === undefined ? said : `${said}, at ${place}`;
}

/** What the code declares goes before what package.json does. */
function methodInfo(...declared: (MethodInfo | undefined)[]): MethodInfo {
  const info: MethodInfo = {};
  for (const given of declared) {
    if (typeof given?.idempotent === 'boolean') info.idempotent = given.idempotent;
    if (typeof given?.readonly === 'boolean') info.readonly = given.readonly;
    if (isObject(given?.params)) info.params = given.params;
    if (isObject(given?.result)) info.result = given.result;
    if (typeof given?.errorsAreFailures === 'boolean') info.errorsAreFailures = given.errorsAreFailures;
    if (typeof given?.timeoutMs === 'number' && given.timeoutMs >= 1 && given.timeoutMs < 2 ** 31) info.timeoutMs = given.timeoutMs;
  }
  if (info.readonly === true) info.idempotent = true;
  return info;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
