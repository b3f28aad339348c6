/** Methods as functions: a proxy that turns each property into a call. */
import type { Client } from '../types.ts';

/** Never thenable, so that it can be returned from an async function; symbols and `toJSON` are not methods either. */
export function typedClient<M>(call: (method: string, args: unknown[]) => Promise<unknown>): Client<M> {
  const methods = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  return new Proxy(Object.create(null) as Client<M>, {
    get(_target, property) {
      if (typeof property === 'symbol' || property === 'then' || property === 'toJSON') return undefined;
      let method = methods.get(property);
      if (method === undefined) methods.set(property, (method = (...args) => call(property, args)));
      return method;
    },
  });
}
