/**
 * What a new version of a plugin takes away from its callers: methods that are gone, arguments that it no longer takes, results that
 * they do not know. Pure. What a schema says is narrowing.ts's matter.
 */
import type { MethodInfo } from '../types.ts';
import { Budget } from './budget.ts';
import { narrowings, shownName, type Wording } from './narrowing.ts';

/** Of all methods together, so that it takes our event loop some 20 ms at the most: a plugin may declare anything. */
const MAX_STEPS = 45_000;
const MAX_LINES = 100;

const PARAMS: Wording = {
  gone: (path, what) => `${path} no longer takes ${what}`,
  only: (path, what) => `${path} takes only ${what}`,
  nothing: (path) => `${path} is no longer taken`,
  requires: (path, names) => `${path} now requires ${names}`,
  bound: (path, key, before, now) => `${path}: ${key} is now ${now}, ${before === null ? 'there was none' : `it was ${before}`}`,
};

/** A result is held against what callers know of it, so what it "takes" is what it may be, and before and now have changed places. */
const RESULT: Wording = {
  gone: (path, what) => `${path} may now be ${what}`,
  only: (path, what) => `${path} may now be other than ${what}`,
  nothing: (path) => `${path} is new`,
  requires: (path, names) => `${path} may now lack ${names}`,
  bound: (path, key, now, before) => `${path}: ${key} ${now === null ? 'is gone' : `is now ${now}`}, it was ${before}`,
};

/** One line for each; none when every caller of `before` can call `after`. What only one of the two declares is not compared. */
export function breakingChanges(before: ReadonlyMap<string, MethodInfo>, after: ReadonlyMap<string, MethodInfo>): string[] {
  const budget = new Budget(MAX_STEPS);
  const changes: string[] = [];
  for (const [name, old] of before) {
    const now = after.get(name);
    if (now === undefined) changes.push(`${shownName(name)} is gone`);
    else
      changes.push(
        ...(old.params === undefined || now.params === undefined
          ? []
          : narrowings(old.params, now.params, `${shownName(name)}: params`, PARAMS, budget, true)),
        ...(old.result === undefined || now.result === undefined
          ? []
          : narrowings(now.result, old.result, `${shownName(name)}: result`, RESULT, budget)),
      );
  }
  if (changes.length <= MAX_LINES) return changes;
  return [...changes.slice(0, MAX_LINES), `and ${changes.length - MAX_LINES} more`];
}
