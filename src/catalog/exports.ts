/**
 * The module that `import` of a package finds by the `exports` of its package.json, as Node's algorithm has it. Pure: whether the file is there is
 * another matter, and Node tries no other one in its place.
 */

/** Conditions that hold when Node imports. `module-sync` does where `require` takes ES modules, which each Node tells of itself. */
const CONDITIONS: ReadonlySet<string> = new Set([
  'node',
  'import',
  'node-addons',
  ...((process.features as { require_module?: boolean }).require_module === true ? ['module-sync'] : []),
]);

/** More than any package.json may nest. */
const MAX_DEPTH = 1_000;
/** Steps that would lead out of the package, or into another one. */
const FORBIDDEN = new Set(['.', '..', 'node_modules']);

/** Why nothing is found, as the end of a sentence about `exports`. */
class NotExported extends Error {}

/** The manifest is refused for its depth as a whole. */
export class TooDeep extends NotExported {}

/** A path that begins with `./`. Throws `NotExported`. */
export function exportedModule(exports: unknown, conditions = CONDITIONS): string {
  const found = targetOf(main(exports), conditions, 0);
  if (typeof found === 'string') return found;
  throw new NotExported('names no module for "." under the conditions of Node; add "default"');
}

/** What stands for the package itself. */
function main(exports: unknown): unknown {
  if (typeof exports !== 'object' || exports === null || Array.isArray(exports)) return exports;
  const keys = Object.keys(exports);
  const paths = keys.filter((key) => key.startsWith('.'));
  if (paths.length === 0) return keys.length === 0 ? undefined : exports;
  if (paths.length < keys.length) throw new NotExported('mixes paths, which begin with a dot, and conditions; put the conditions below "."');
  return (exports as Record<string, unknown>)['.'];
}

/** Undefined where no condition holds; null where that is said. */
function targetOf(target: unknown, conditions: ReadonlySet<string>, depth: number): string | null | undefined {
  if (typeof target === 'string') return checked(target);
  if (target === null || target === undefined) return target;
  if (depth > MAX_DEPTH) throw new TooDeep('nests too deep');
  if (typeof target !== 'object') throw new NotExported(`holds a ${typeof target}, where a path belongs`);
  return Array.isArray(target) ? firstOf(target, conditions, depth) : conditional(target as Record<string, unknown>, conditions, depth);
}

/** An invalid target is passed over, as long as there is another one. */
function firstOf(targets: readonly unknown[], conditions: ReadonlySet<string>, depth: number): string | null | undefined {
  let problem: NotExported | undefined;
  let isNull = targets.length === 0;
  for (const each of targets) {
    try {
      const found = targetOf(each, conditions, depth + 1);
      if (typeof found === 'string') return found;
      isNull ||= found === null;
      if (found === null) problem = undefined;
    } catch (error) {
      problem = error as NotExported;
    }
  }
  if (problem !== undefined) throw problem;
  return isNull ? null : undefined;
}

function conditional(target: Record<string, unknown>, conditions: ReadonlySet<string>, depth: number): string | null | undefined {
  const index = Object.keys(target).find((key) => /^(?:0|[1-9]\d*)$/.test(key));
  if (index !== undefined) throw new NotExported(`has the number ${index} for a condition`);
  for (const [key, inner] of Object.entries(target)) {
    if (key !== 'default' && !conditions.has(key)) continue;
    const found = targetOf(inner, conditions, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function checked(target: string): string {
  const shown = JSON.stringify(target.slice(0, 200));
  const refuse = (why: string): never => {
    throw new NotExported(`names ${shown}, ${why}`);
  };
  if (!target.startsWith('./')) refuse('a relative path that stays inside the folder begins with "./", such as "./index.js"');
  if (/[\0\\]|%2f|%5c/i.test(target)) refuse('with a character that no path here may have');
  const path = decoded(target);
  if (path === null || path.includes('\0')) return refuse('which is not percent-encoded as a URL is');
  const steps = path.slice(2).split('/');
  if (steps.some((step) => FORBIDDEN.has(step.toLowerCase()))) refuse('a path that does not stay inside the folder');
  return path;
}

/** A target is a URL; null for one that is none. */
function decoded(target: string): string | null {
  try {
    return decodeURIComponent(target.replace(/[?#].*$/s, ''));
  } catch {
    return null;
  }
}
