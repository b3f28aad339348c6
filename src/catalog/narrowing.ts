/**
 * What one JSON Schema lets pass and the next one does not. Pure. Knows what everyday schemas are made of; of another keyword it knows
 * only whether it was changed.
 *
 * 1. Nothing is said only where the new schema lets pass all that the old one did; what cannot be told counts as a change.
 * 2. It ends soon, whatever the schemas are: they come from plugins. All that grows with them is paid for out of a budget.
 */
import { TooLarge, type Budget } from './budget.ts';
import {
  BESIDE,
  enumerated,
  exactly,
  isImplied,
  isOf,
  isSchema,
  keyOf,
  list,
  mayBe,
  mostItems,
  own,
  record,
  sameText,
  tuple,
  typesOf,
  type Schema,
  type Type,
} from './json-schema.ts';
import { DYNAMIC, meanSame, References } from './references.ts';

/** How what was found is put into words. */
export interface Wording {
  gone(path: string, what: string): string;
  only(path: string, what: string): string;
  nothing(path: string): string;
  requires(path: string, names: string): string;
  bound(path: string, key: string, before: number | null, now: number): string;
}

const MAX_DEPTH = 50;
const MAX_SHOWN = 20;
/** Steps that a pair of schemas costs, or a value held against a schema, however small they are. */
const PAIR_STEPS = 10;
/** What a schema without a type lets pass. */
const TYPES: readonly (Type | 'integer')[] = ['null', 'boolean', 'number', 'string', 'array', 'object'];
/** Each with the type that it bounds, and 1 where more of it lets less pass. */
const BOUNDS: readonly (readonly [key: string, type: Type, sign: 1 | -1])[] = [
  ['minimum', 'number', 1],
  ['exclusiveMinimum', 'number', 1],
  ['maximum', 'number', -1],
  ['exclusiveMaximum', 'number', -1],
  ['minLength', 'string', 1],
  ['maxLength', 'string', -1],
  ['minItems', 'array', 1],
  ['maxItems', 'array', -1],
  ['minProperties', 'object', 1],
  ['maxProperties', 'object', -1],
];
const UNDERSTOOD = ['type', 'enum', 'const', 'required', 'properties', 'additionalProperties', 'items', 'prefixItems', 'additionalItems', 'anyOf'];
const HANDLED = new Set([...BESIDE, ...UNDERSTOOD, ...BOUNDS.map(([key]) => key)]);
/** Only held against each other. To leave one out lets more pass. */
const OF_TYPE = new Map<string, Type | null>([
  ...['pattern', 'format', 'contentEncoding', 'contentMediaType'].map((key) => [key, 'string'] as const),
  ['multipleOf', 'number'],
  ...['uniqueItems', 'contains', 'maxContains', 'unevaluatedItems'].map((key) => [key, 'array'] as const),
  ...['patternProperties', 'propertyNames', 'dependentRequired', 'dependentSchemas', 'unevaluatedProperties'].map((key) => [key, 'object'] as const),
  ...['$ref', 'allOf', 'oneOf', 'not', 'if', 'then', 'else'].map((key) => [key, null] as const),
]);

/** Keywords that say the same of a value whatever stands beside them: what passed one passes an equal one. */
const INDEPENDENT = new Set([
  ...BOUNDS.map(([key]) => key),
  'pattern',
  'format',
  'multipleOf',
  'uniqueItems',
  'required',
  'propertyNames',
  'not',
  'allOf',
  'anyOf',
  'oneOf',
]);

/** Where `now` refuses what `before` let pass, one line for each. `asArguments`: both are of arrays, whether or not they say so. */
export function narrowings(before: unknown, now: unknown, path: string, say: Wording, budget: Budget, asArguments = false): string[] {
  if (sameText(before, now)) return [];
  try {
    return new Comparison(before, now, say, budget).all(path, asArguments);
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return [`${path} was changed, and is too large to be compared`];
  }
}

class Comparison {
  readonly #roots: readonly [unknown, unknown];
  readonly #references: readonly [References, References];
  readonly #say: Wording;
  readonly #budget: Budget;
  /** Being compared: schemas may hold themselves. */
  readonly #open: (readonly [Schema, Schema])[] = [];
  /** The outermost pair was met again inside of itself. */
  #holdsItself = false;
  /** The values of an `enum`, as texts. */
  readonly #sets = new Map<readonly unknown[], ReadonlySet<unknown>>();

  constructor(before: unknown, now: unknown, say: Wording, budget: Budget) {
    this.#roots = [before, now];
    this.#references = [new References(before, budget), new References(now, budget)];
    this.#say = say;
    this.#budget = budget;
  }

  all(path: string, asArguments: boolean): string[] {
    const [before, now] = ([0, 1] as const).map((i) => this.#references[i].resolved(this.#roots[i])) as [unknown, unknown];
    if (!asArguments || !isSchema(before) || !isSchema(now)) return this.lines(before, now, path);
    this.#open.push([before, now]);
    const lines = this.lines({ type: 'array', ...before }, { type: 'array', ...now }, path);
    this.#open.pop();
    // Where it holds itself that need not be an array.
    return lines.length === 0 && this.#holdsItself ? this.lines(before, now, `${path}[]`) : lines;
  }

  lines(old: unknown, fresh: unknown, path: string): string[] {
    this.#budget.spend(PAIR_STEPS);
    const [before, now] = [this.#references[0].resolved(old), this.#references[1].resolved(fresh)];
    if (before === false || this.#same(before, now)) return [];
    if (now === false) return [this.#say.nothing(path)];
    if (isSchema(now) && Object.keys(now).every((key) => BESIDE.has(key))) return [];
    if (!isSchema(before) || !isSchema(now) || this.#open.length > MAX_DEPTH) return [`${path} was changed`];
    // What holds itself narrows nothing, unless something else in it does.
    const at = this.#open.findIndex(([outer, outerNow]) => outer === before && outerNow === now);
    this.#holdsItself ||= at === 0;
    if (at >= 0) return [];
    this.#budget.spend(Object.keys(before).length + Object.keys(now).length);
    this.#open.push([before, now]);
    const lines = this.#cases(before, now, path);
    this.#open.pop();
    return lines;
  }

  /** Of a schema that is a choice each case by itself. */
  #cases(before: Schema, now: Schema, path: string): string[] {
    const values = enumerated(before)[0];
    if (values !== undefined) {
      const gone = this.#gone(values, before, now, path);
      return gone.length === 0 ? [] : [this.#say.gone(path, shown(gone))];
    }
    const telling = Object.keys(before).filter((key) => !BESIDE.has(key));
    const isChoice = telling.length === 1 && (telling[0] === 'anyOf' || telling[0] === 'oneOf');
    const choice = isChoice ? list(before[telling[0]!]) : [];
    return choice.length > 0 ? choice.flatMap((each) => this.lines(each, now, path)) : this.#all(before, now, path, null);
  }

  /** The values that `now` does not let pass. */
  #gone(values: readonly unknown[], before: Schema, now: Schema, path: string): unknown[] {
    const listed = enumerated(now).map((each) => this.#set(each));
    const others = Object.keys(now).filter((key) => !['type', 'enum', 'const'].includes(key) && !BESIDE.has(key));
    const isKept = others.every((key) => INDEPENDENT.has(key) && Object.hasOwn(before, key) && this.#same(before[key], now[key]));
    const [was, types] = [typesOf(before), typesOf(now)];
    const isPlain = isKept && (types !== null || now.type === undefined);
    return values.filter((value) => {
      // It never was let through.
      if (was !== null && !isOf(value, was)) return false;
      const key = keyOf(value, this.#budget);
      if (!listed.every((set) => key !== undefined && set.has(key))) return true;
      if (isPlain) return types !== null && !isOf(value, types);
      this.#budget.spend(3 * PAIR_STEPS + others.length + (typeof value === 'string' ? value.length : 0));
      // By the value itself; or by all that the schema says, where `now` says of it what only that can be held against.
      return ![exactly(value, before), before].some((each) => this.#all(each, now, path, [value]).length === 0);
    });
  }

  /** `only`: the one value that `before` stands for. */
  #all(before: Schema, now: Schema, path: string, only: readonly [unknown] | null): string[] {
    return [
      ...this.#types(before, now, path),
      ...this.#values(now, path, only),
      ...this.#choice(only === null ? before : { ...before, const: only[0] }, now, path),
      ...this.#bounds(before, now, path),
      ...(mayBe(before, 'array') ? this.#items(before, now, path) : []),
      ...(mayBe(before, 'object') ? this.#properties(before, now, path) : []),
      ...this.#others(before, now, path),
    ];
  }

  #types(before: Schema, now: Schema, path: string): string[] {
    const [was, types] = [typesOf(before), typesOf(now)];
    if (types === null) return now.type === undefined || this.#same(before.type, now.type) ? [] : [`${path}: type was changed`];
    const gone = (was ?? TYPES).filter((type) => !types.includes(type) && !(type === 'integer' && types.includes('number')));
    if (gone.length === 0) return [];
    return [was === null ? this.#say.only(path, types.join(' or ') || 'nothing') : this.#say.gone(path, gone.join(' or '))];
  }

  #values(now: Schema, path: string, only: readonly [unknown] | null): string[] {
    return enumerated(now).flatMap((values) => (only !== null && this.#has(values, only[0]) ? [] : [this.#say.only(path, shown(values))]));
  }

  #choice(before: Schema, now: Schema, path: string): string[] {
    const choice = now.anyOf;
    if (choice === undefined || this.#same(before.anyOf, choice)) return [];
    if (list(choice).some((each) => this.lines(before, each, path).length === 0)) return [];
    const types = typesOf(before);
    return [types === null ? `${path}: anyOf was changed` : this.#say.gone(path, types.join(' or '))];
  }

  #bounds(before: Schema, now: Schema, path: string): string[] {
    return BOUNDS.flatMap(([key, type, sign]) => {
      const bound = now[key];
      if (bound === undefined || !mayBe(before, type)) return [];
      if (typeof bound !== 'number') return this.#same(before[key], bound) ? [] : [`${path}: ${key} was changed`];
      const was = key === 'maxItems' ? mostItems(before) : before[key];
      const least = /^min[A-Z]/.test(key) ? 0 : -Infinity;
      if (sign * bound <= (typeof was === 'number' ? sign * was : least) || isImplied(before, key, sign, bound)) return [];
      return [this.#say.bound(path, key, typeof was === 'number' && Number.isFinite(was) ? was : null, bound)];
    });
  }

  #items(before: Schema, now: Schema, path: string): string[] {
    const [old, fresh] = [tuple(before), tuple(now)];
    const most = mostItems(before);
    const listed = Math.max(old.first.length, fresh.first.length);
    const lines: string[] = [];
    for (let i = 0; i < Math.min(listed, most); i++)
      lines.push(...this.lines(i in old.first ? old.first[i] : old.rest, i in fresh.first ? fresh.first[i] : fresh.rest, `${path}[${i}]`));
    return most > listed ? [...lines, ...this.lines(old.rest, fresh.rest, `${path}[]`)] : lines;
  }

  #properties(before: Schema, now: Schema, path: string): string[] {
    const [old, fresh] = [record(before.properties), record(now.properties)];
    const [had, needs] = [list(before.required), list(now.required)];
    this.#budget.spend(had.length + needs.length + Object.keys(old).length + Object.keys(fresh).length);
    const known = new Set(had);
    const required = needs.filter((name) => typeof name === 'string' && !known.has(name));
    const lines = required.length === 0 ? [] : [this.#say.requires(path, shown(required))];
    // What a pattern fits is no additional property; which names that are is not looked at.
    const others = this.#same(before.patternProperties, now.patternProperties) ? before.additionalProperties : true;
    const undeclared = before.patternProperties === undefined ? others : true;
    for (const [name, schema] of Object.entries(fresh))
      lines.push(...this.lines(Object.hasOwn(old, name) ? old[name] : undeclared, schema, `${path}${step(name)}`));
    const rest = now.additionalProperties;
    if (rest === undefined || rest === true) return lines;
    for (const [name, schema] of Object.entries(old))
      if (!Object.hasOwn(fresh, name)) lines.push(...this.lines(schema, rest, `${path}${step(name)}`));
    return [...lines, ...this.lines(others, rest, `${path}.*`)];
  }

  /** Keywords of which it is only known whether they were changed. */
  #others(before: Schema, now: Schema, path: string): string[] {
    const isChanged = (key: string): boolean => {
      const type = OF_TYPE.get(key);
      if (!Object.hasOwn(now, key)) return type === undefined;
      if (type !== undefined && type !== null && !mayBe(before, type)) return false;
      if (key.startsWith('unevaluated') || DYNAMIC.includes(key)) return true;
      return key === '$ref' ? !this.#same({ $ref: before.$ref }, { $ref: now.$ref }) : !this.#same(own(before, key), now[key]);
    };
    const keys = Object.keys({ ...before, ...now }).filter((key) => !HANDLED.has(key) && !key.startsWith('x-') && isChanged(key));
    return keys.map((key) => `${path}: ${shownName(key)} was changed`);
  }

  #same(a: unknown, b: unknown): boolean {
    return meanSame(a, b, this.#references, this.#budget);
  }

  #has(values: readonly unknown[], value: unknown): boolean {
    const key = keyOf(value, this.#budget);
    return key !== undefined && this.#set(values).has(key);
  }

  #set(values: readonly unknown[]): ReadonlySet<unknown> {
    const set = this.#sets.get(values) ?? new Set(values.map((value) => keyOf(value, this.#budget)));
    this.#sets.set(values, set);
    return set;
  }
}

/** A name that a plugin made up, fit to stand in a line. */
export const shownName = (name: string): string => (/^[\p{L}\p{N}_$./-]{1,200}$/u.test(name) ? name : JSON.stringify(name.slice(0, 60)));
const step = (name: string): string => (/^[\w$-]{1,60}$/.test(name) ? `.${name}` : `[${JSON.stringify(name.slice(0, 60))}]`);

function shown(values: readonly unknown[]): string {
  const some = values.slice(0, MAX_SHOWN).map((value) => {
    if (typeof value === 'object' && value !== null) return Array.isArray(value) ? '[…]' : '{…}';
    return JSON.stringify(typeof value === 'string' ? value.slice(0, 60) : value);
  });
  return `${some.join(', ')}${values.length > MAX_SHOWN ? ', …' : ''}`;
}
