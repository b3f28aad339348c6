/**
 * Methods as functions: a proxy that turns each property into a call.
 *
 * 1. Once the plugin's methods are known nothing else is a property; until then no name is that runtimes and frameworks ask any object for.
 * 2. Never thenable, so that it can be returned from an async function; neither symbols nor `toJSON` are methods.
 */
import type { Client } from '../types.ts';

type Method = (...args: unknown[]) => Promise<unknown>;

/** JavaScript, test runners, loggers, React and NestJS ask each object for these, and call those that are functions. */
const PROBED: ReadonlySet<string> = new Set(
  [
    [
      'toString',
      'toLocaleString',
      'valueOf',
      'constructor',
      'prototype',
      'hasOwnProperty',
      'isPrototypeOf',
      'propertyIsEnumerable',
      'length',
      'name',
    ],
    ['catch', 'finally', 'inspect', 'asymmetricMatch', 'nodeType', 'tagName', 'hasAttribute', 'getMockName', '_isMockFunction', 'toBSON'],
    ['toPostgres', 'toSQL', 'subscribe', 'onModuleInit', 'onModuleDestroy', 'onApplicationBootstrap', 'onApplicationShutdown'],
    ['beforeApplicationShutdown'],
  ].flat(),
);
/** Marks of frameworks: `$$typeof`, `@@observable`, `__esModule`, `__v_isRef`. */
const MARK = /^(?:\$\$|@@|__)/;

/** `methods` has those of the plugin; null while they are not known. */
export function typedClient<M>(
  call: (method: string, args: unknown[]) => Promise<unknown>,
  methods: () => ReadonlyMap<string, unknown> | null = () => null,
): Client<M> {
  const made = new Map<string, Method>();
  const find = (property: string | symbol): Method | undefined => {
    if (typeof property === 'symbol' || property === 'then' || property === 'toJSON') return undefined;
    const known = methods();
    if (known === null ? PROBED.has(property) || MARK.test(property) : !known.has(property)) return undefined;
    let method = made.get(property);
    if (method === undefined) made.set(property, (method = (...args) => call(property, args)));
    return method;
  };
  return new Proxy(Object.create(null) as Client<M>, {
    get: (target, property, receiver) => find(property) ?? textOf(property) ?? (Reflect.get(target, property, receiver) as unknown),
    has: (target, property) => (methods() !== null && find(property) !== undefined) || Reflect.has(target, property),
    ownKeys: (target) => [...new Set([...Reflect.ownKeys(target), ...[...(methods()?.keys() ?? [])].filter((name) => find(name) !== undefined)])],
    getOwnPropertyDescriptor(target, property) {
      const value = methods() === null ? undefined : find(property);
      if (value === undefined) return Reflect.getOwnPropertyDescriptor(target, property);
      return { value, enumerable: true, configurable: true, writable: true };
    },
  });
}

/** The client as text, where a template or a log wants it so. */
function textOf(property: string | symbol): unknown {
  return property === Symbol.toPrimitive ? () => '[object Client]' : property === Symbol.toStringTag ? 'Client' : undefined;
}
