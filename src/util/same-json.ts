/** Whether two values that came from plugins, JSON and bytes, are the same, looked at no further than can be afforded between two calls. */

import { types } from 'node:util';

/** Values that are looked at; about a millisecond's worth. */
const MAX_VALUES = 20_000;

/** False at the first difference. What lies beyond the bound counts as the same; how deep it nests does not matter. */
export function sameJson(one: unknown, other: unknown): boolean {
  const pairs: [unknown, unknown][] = [[one, other]];
  for (let looked = 0; looked < MAX_VALUES; looked++) {
    const pair = pairs.pop();
    if (pair === undefined) return true;
    const [a, b] = pair;
    if (a === b) continue;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
    if (ArrayBuffer.isView(a) || ArrayBuffer.isView(b)) {
      if (types.isUint8Array(a) && types.isUint8Array(b) && Buffer.compare(a, b) === 0) continue;
      return false;
    }
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    for (const key of keys.slice(0, MAX_VALUES)) {
      if (!Object.hasOwn(b, key)) return false;
      pairs.push([(a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]]);
    }
  }
  return true;
}
