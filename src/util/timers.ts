/**
 * The real timers and clocks, taken when this library is loaded. A host's tests replace the global ones by fakes that stand still,
 * and a plugin's code may do the same in its child. The linter keeps the rest of the code from using the globals.
 */
import { performance as real } from 'node:perf_hooks';
import * as timers from 'node:timers';

/** A fake of sinon, Jest or Vitest that was installed before this library was loaded keeps the function that it replaced. */
function genuine<T extends object, K extends keyof T & string>(owner: T, name: K): T[K] {
  const { clock } = owner[name] as { clock?: Record<string, T[K]> };
  return clock?.[`_${name}`] ?? owner[name];
}

export const setTimeout = genuine(timers, 'setTimeout');
export const clearTimeout = genuine(timers, 'clearTimeout');
export const setInterval = genuine(timers, 'setInterval');
export const clearInterval = genuine(timers, 'clearInterval');
export const setImmediate = genuine(timers, 'setImmediate');
export const nextTick = genuine(process, 'nextTick');
export const dateNow = Date.now;
// A fake stands on the object itself.
export const performance = { now: /* @__PURE__ */ (Object.getPrototypeOf(real) as typeof real).now.bind(real) };
