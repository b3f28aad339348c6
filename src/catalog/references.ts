/**
 * References within one JSON Schema, and whether two schemas with references mean the same. Pure.
 *
 * Only pointers into the schema itself are followed. An anchor, or any reference where a part has a `$id` of its own, may mean anything:
 * a schema with one of these is the same as no other. A reference to another document is the same as itself.
 */
import type { Budget } from './budget.ts';
import { BESIDE, isSchema, own, stepsOf, type Schema } from './json-schema.ts';

const MAX_HOPS = 50;
const MAX_DEPTH = 500;
const POINTER = /^#(\/.{0,500})?$/s;
/** Keywords that lead elsewhere, depending on how a schema was reached. */
export const DYNAMIC: readonly string[] = ['$dynamicRef', '$recursiveRef'];

export class References {
  readonly #root: unknown;
  readonly #budget: Budget;
  readonly #targets = new Map<Schema, unknown>();
  #isRebased: boolean | null = null;

  constructor(root: unknown, budget: Budget) {
    this.#root = root;
    this.#budget = budget;
  }

  /** A schema as an object or `false`; the target instead, where it is a reference and nothing else. Itself, where it cannot be followed. */
  resolved(schema: unknown, hops = 0): unknown {
    if (schema === undefined || schema === true) return {};
    if (!isSchema(schema) || typeof schema.$ref !== 'string') return schema;
    if (!this.#targets.has(schema)) {
      this.#budget.spend(1 + Object.keys(schema).length);
      const isAlone = Object.keys(schema).every((key) => key === '$ref' || BESIDE.has(key));
      const target = isAlone && hops < MAX_HOPS ? this.target(schema.$ref) : undefined;
      this.#targets.set(schema, target === undefined ? schema : this.resolved(target, hops + 1));
    }
    return this.#targets.get(schema);
  }

  /** Undefined where it leads nowhere, or where nobody can tell. */
  target(ref: string): unknown {
    if (!POINTER.test(ref) || this.#hasOwnBase()) return undefined;
    const steps = decoded(ref).split('/').slice(1);
    this.#budget.spend(1 + steps.length);
    return steps.reduce<unknown>((from, name) => own(from, name.replaceAll('~1', '/').replaceAll('~0', '~')), this.#root);
  }

  /** Whether it is certain that `ref` leads nowhere in here: to another document, or to a place that is not there. */
  leadsOut(ref: string): boolean {
    if (this.#hasOwnBase() || own(this.#root, '$id') !== undefined) return false;
    return POINTER.test(ref) ? this.target(ref) === undefined : !ref.startsWith('#');
  }

  /** Whether a part of it has a `$id`, from which references in it are read. */
  #hasOwnBase(): boolean {
    this.#isRebased ??= holds(this.#root, this.#budget);
    return this.#isRebased;
  }
}

function decoded(ref: string): string {
  try {
    return decodeURIComponent(ref);
  } catch {
    return ref;
  }
}

function holds(root: unknown, budget: Budget): boolean {
  const open: unknown[] = typeof root === 'object' && root !== null ? Object.values(root) : [];
  while (open.length > 0) {
    const each = open.pop();
    if (typeof each !== 'object' || each === null) continue;
    budget.spend(stepsOf(each));
    if (typeof own(each, '$id') === 'string') return true;
    for (const inner of Object.values(each)) if (typeof inner === 'object') open.push(inner);
  }
  return false;
}

/** True only where both mean the same, wherever their references lead. */
export function meanSame(a: unknown, b: unknown, of: readonly [References, References], budget: Budget): boolean {
  /** Targets that are being compared already: they hold themselves. */
  const assumed = new Map<unknown, Set<unknown>>();

  const follow = (ref: string, other: string, depth: number): boolean => {
    const [target, otherTarget] = [of[0].target(ref), of[1].target(other)];
    if (target === undefined || otherTarget === undefined) return of[0].leadsOut(ref) && of[1].leadsOut(other);
    const known = assumed.get(target) ?? new Set();
    if (known.has(otherTarget)) return true;
    assumed.set(target, known.add(otherTarget));
    return alike(target, otherTarget, depth + 1);
  };

  const alike = (left: unknown, right: unknown, depth: number): boolean => {
    budget.spend(stepsOf(left));
    if (typeof left !== 'object' || left === null || typeof right !== 'object' || right === null) return left === right;
    if (depth > MAX_DEPTH || Array.isArray(left) !== Array.isArray(right)) return false;
    if (DYNAMIC.some((key) => own(left, key) !== undefined)) return false;
    const entries = Object.entries(left);
    if (entries.length !== Object.keys(right).length) return false;
    return entries.every(([key, value]) => {
      if (!Object.hasOwn(right, key)) return false;
      const other = own(right, key);
      return key === '$ref' && typeof value === 'string' && typeof other === 'string'
        ? value === other && follow(value, other, depth)
        : alike(value, other, depth + 1);
    });
  };

  return alike(a, b, 0);
}
