/**
 * A package.json's text → a manifest, or every reason why it is none. Touches no disk; whether the entry exists is release.ts's matter.
 *
 * Only what a supervisor needs is looked at: `name`, `version`, `main` or `exports`, two of the `engines`, and the `chameleon` block, which is ours
 * and therefore strict: a misspelt `idempotent` is an error, not a plugin that is silently never retried.
 */
import { posix } from 'node:path';
import * as z from 'zod';
import { ManifestInvalidError } from '../errors.ts';
import { check, type Checked } from '../options-issues.ts';
import { callTimeout, flag, got, group, list, range, string } from '../options-schema.ts';
import { isReserved, MAX_METHOD_NAME, MAX_METHODS } from '../protocol/messages.ts';
import type { MethodInfo } from '../types.ts';
import { isPluginName, isVersion, NAME_RULE, VERSION_RULE } from '../util/naming.ts';
import { exportedModule, TooDeep } from './exports.ts';
import { parseJson } from './json-text.ts';

export interface Manifest {
  readonly name: string;
  readonly version: string;
  /** The module that is the plugin, relative to the folder as it was declared; null where `command` runs instead. */
  readonly entry: string | null;
  /** `exports` names it: Node takes that very file, and tries no other. */
  readonly isExported?: true;
  /** For a plugin in another language: the program and its arguments. */
  readonly command: readonly string[] | null;
  readonly methods: Readonly<Record<string, MethodInfo>>;
  readonly engines: { readonly chameleon: string | null; readonly node: string | null };
}

export const MAX_MANIFEST_BYTES = 2 ** 20;

const method = z.strictObject(
  {
    idempotent: flag,
    readonly: flag,
    timeoutMs: callTimeout,
    errorsAreFailures: flag,
    params: z.record(z.string(), z.unknown(), group).optional(),
    result: z.record(z.string(), z.unknown(), group).optional(),
  } satisfies Record<keyof MethodInfo, z.ZodType>,
  group,
);
const methodName = string(
  `a method's name (1 to ${MAX_METHOD_NAME} characters, not beginning with "$/" or "rpc.")`,
  (name) => name !== '' && name.length <= MAX_METHOD_NAME && !isReserved(name),
);
const methods = z
  .record(methodName, method, group)
  .refine((all) => Object.keys(all).length <= MAX_METHODS, `expected at most ${MAX_METHODS} methods`);
const word = string('a string that is not empty and has no NUL', (value) => value !== '' && !value.includes('\0'));
const block = z.strictObject(
  {
    methods: methods.optional(),
    command: z.array(word, list).min(1, got('the program and its arguments')).optional(),
    // For those who build the plugin: packages that stay outside of its bundle.
    external: z.array(word, list).optional(),
  },
  group,
);
const inFolder = 'a relative path that stays inside the folder, such as "./index.js"';

const schema = z.object(
  {
    name: string(NAME_RULE, isPluginName),
    version: string(VERSION_RULE, isVersion),
    main: string(inFolder, staysInside).optional(),
    exports: z
      .unknown()
      .refine((exports) => problemOf(exports) === null, { error: ({ input }) => problemOf(input) ?? '' })
      .optional(),
    engines: z.object({ chameleon: range.optional(), node: range.optional() }, group).optional(),
    chameleon: block.optional(),
  },
  group,
);

/** `file` only names the text in errors. Throws `ManifestInvalidError` with every mistake at once. */
export function parseManifest(file: string, text: string): Manifest {
  const read = readJson(text);
  const checked = read.kind === 'valid' ? check(schema, ours(read.value)) : read;
  if (checked.kind === 'invalid') throw new ManifestInvalidError(file, checked.issues);
  const { name, version, main, exports, engines, chameleon } = checked.value;
  const command = chameleon?.command ?? null;
  return Object.freeze({
    name,
    version,
    ...(command === null ? entryOf(main, exports) : { entry: null }),
    command,
    // Looked up by names that come from outside: nothing may be found there that was not declared.
    methods: Object.freeze(Object.assign(Object.create(null) as Record<string, MethodInfo>, chameleon?.methods)),
    engines: { chameleon: engines?.chameleon ?? null, node: engines?.node ?? null },
  });
}

function readJson(text: string): Checked<unknown> {
  const refused = (message: string): Checked<unknown> => ({ kind: 'invalid', issues: [{ path: '', message }] });
  if (Buffer.byteLength(text) > MAX_MANIFEST_BYTES) return refused(`is larger than ${MAX_MANIFEST_BYTES} bytes`);
  if (text.startsWith('\ufeff')) return refused('begins with a byte order mark, which Node itself does not accept here; save it as plain UTF-8');
  try {
    return { kind: 'valid', value: parseJson(text) };
  } catch (error) {
    return refused(`is not JSON: ${(error as SyntaxError).message}`);
  }
}

/** The fields that mean something here: the rest of a package.json is other tools' business. */
function ours(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  return Object.fromEntries(Object.entries(json).filter(([key]) => Object.hasOwn(schema.shape, key)));
}

/** As Node has it: `exports` goes before `main`, and without either it is index.js. */
function entryOf(main: string | undefined, exports: unknown): Pick<Manifest, 'entry' | 'isExported'> {
  if (exports === undefined || exports === null) return { entry: main ?? 'index.js' };
  return { entry: exportedModule(exports), isExported: true };
}

function problemOf(exports: unknown): string | null {
  if (exports === undefined || exports === null) return null;
  try {
    exportedModule(exports);
    return null;
  } catch (error) {
    return error instanceof TooDeep ? null : (error as Error).message;
  }
}

function staysInside(path: string): boolean {
  if (path === '' || /[\0\\]|^[a-z]:/i.test(path) || posix.isAbsolute(path)) return false;
  const normal = posix.normalize(path);
  return normal !== '..' && !normal.startsWith('../');
}
