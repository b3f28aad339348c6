/**
 * What a client of the plugin is typed by: `client.d.ts`, from the plugin's source as the compiler of its own project sees it. Where there is
 * no compiler, each method takes and answers `unknown`.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, parse, relative, resolve, sep } from 'node:path';
import { BuildFailedError } from '../build-errors.ts';
import type { Issue } from '../errors.ts';
import { hideAccessors } from './accessors.ts';
import { methodAt, probe, readProbe } from './client-probe.ts';
import { bundlePath, type Project } from './project.ts';

export interface ClientTypes {
  text: string;
  /** Methods whose types could not be told: they take and answer `unknown`. */
  untyped: string[];
  /** The compiler that told them, such as `TypeScript 7.0.2`; null without one. */
  compiler: string | null;
}

interface Compiler {
  tsc: string;
  version: string;
}

const UNKNOWN = '(...args: unknown[]) => unknown';

/** Throws `BuildFailedError` when the source does not type-check. */
export async function clientTypes(project: Project, methods: readonly string[]): Promise<ClientTypes> {
  const { dir, source, manifest } = project;
  const compiler = source === null ? null : await findCompiler(dir);
  const types = source === null || compiler === null ? new Map<string, string>() : await compile({ ...project, source }, compiler, methods);
  const member = (name: string): string =>
    `  ${/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)}: ${(types.get(name) ?? UNKNOWN).replaceAll('\n', '\n  ')};\n`;
  const text = `/** ${manifest.name}@${manifest.version}: what its methods take and answer, as JSON carries it. \`supervisor.plugin<Methods>('${manifest.name}')\` */
export interface Methods {
${methods.map(member).join('')}}
declare const plugin: { readonly methods: Methods };
export default plugin;
`;
  return {
    text,
    untyped: methods.filter((name) => !types.has(name)),
    compiler: compiler === null ? null : `TypeScript ${compiler.version}`,
  };
}

/** The compiler that the plugin's project has, from 5.0 on: older ones do not know what the probe asks. */
async function findCompiler(dir: string): Promise<Compiler | null> {
  try {
    const file = createRequire(join(dir, 'package.json')).resolve('typescript/package.json');
    const { version, bin } = JSON.parse(await readFile(file, 'utf8')) as { version: string; bin: { tsc: string } };
    return Number.parseInt(version) >= 5 ? { tsc: join(dirname(file), bin.tsc), version } : null;
  } catch {
    return null;
  }
}

async function compile(project: Project & { source: string }, compiler: Compiler, methods: readonly string[]): Promise<Map<string, string>> {
  const { dir, source, manifest } = project;
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-types-')));
  try {
    const { types, mistakes, out } = await runProbe(join(dir, source), { dir, folder, compiler, methods, name: 'probe' });
    if (mistakes.length > 0) {
      const issues = mistakes.map(({ file: at, line, column, message }): Issue => ({
        path: at === null ? '' : `${relative(dir, at)}:${line}:${column}`,
        message,
      }));
      throw new BuildFailedError(`${manifest.name} does not type-check`, issues);
    }
    if (!(await hideEmittedAccessors(out))) return types;
    await standIn(dir, out);
    const emitted = join(out, relative(parse(dir).root, dir), bundlePath(source));
    const again = await runProbe(emitted, { dir, folder, compiler, methods, name: 'probe-of-declarations' });
    return new Map([...types].map(([name, type]) => [name, again.types.get(name) ?? type]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Probing {
  dir: string;
  folder: string;
  compiler: Compiler;
  methods: readonly string[];
  /** Of the probe's file. */
  name: string;
}

/** Compiles a probe of this entry. `out` is the folder with the declarations; `mistakes` are those outside of the probe. */
async function runProbe(
  entry: string,
  { dir, folder, compiler, methods, name }: Probing,
): Promise<{ types: Map<string, string>; mistakes: Mistake[]; out: string }> {
  // `.mts`, since it imports modules of either kind.
  const file = join(folder, `${name}.mts`);
  const out = join(folder, `${name}-out`);
  const config = join(folder, `${name}.json`);
  const { tsc, version } = compiler;
  await writeFile(file, probe(entry.split(sep).join('/'), methods));
  await writeFile(config, JSON.stringify(settings(dir, file, out, version)));
  const mistakes = mistakesIn(await run([tsc, '-p', config, '--pretty', 'false'], dir), dir);
  const emitted = join(out, relative(parse(folder).root, folder), `${name}.d.mts`);
  const types = readProbe(await readFile(emitted, 'utf8').catch(() => ''), methods);
  // What the compiler could not write down is not what it has written.
  for (const { file: at, line } of mistakes) if (at === file) types.delete(methodAt(line, methods) ?? '');
  return { types, mistakes: mistakes.filter(({ file: at }) => at !== file), out };
}

/** True if there were any. */
async function hideEmittedAccessors(out: string): Promise<boolean> {
  let found = false;
  for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.d\.[cm]?ts$/.test(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    const hidden = hideAccessors(await readFile(file, 'utf8'));
    if (hidden === null) continue;
    await writeFile(file, hidden);
    found = true;
  }
  return found;
}

/** Has the emitted declarations of a project find its packages, and be modules of its kind. */
async function standIn(dir: string, out: string): Promise<void> {
  for (const parent of parents(dir)) {
    const place = join(out, relative(parse(dir).root, parent));
    if (existsSync(join(parent, 'node_modules'))) await symlink(join(parent, 'node_modules'), join(place, 'node_modules'), 'junction');
    if (existsSync(join(parent, 'package.json'))) await copyFile(join(parent, 'package.json'), join(place, 'package.json'));
  }
}

/** The project's own settings, but for what is made of them. */
function settings(dir: string, file: string, out: string, version: string): object {
  const own = join(dir, 'tsconfig.json');
  const base = existsSync(own)
    ? { extends: own }
    : {
        compilerOptions: {
          target: 'es2023',
          module: 'nodenext',
          strict: true,
          types: existsSync(join(dir, 'node_modules/@types/node')) ? ['node'] : [],
        },
      };
  return {
    ...base,
    compilerOptions: {
      ...base.compilerOptions,
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      declarationMap: false,
      declarationDir: out,
      outDir: out,
      rootDir: parse(file).root,
      typeRoots: parents(dir).map((parent) => join(parent, 'node_modules/@types')),
      allowJs: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      composite: false,
      incremental: false,
      // Older compilers refuse an option that they do not know.
      ...(Number.parseFloat(version) >= 5.5 ? { isolatedDeclarations: false } : {}),
      noEmitOnError: false,
    },
    files: [file],
    // Beside what the plugin imports, what is declared for all of the project; its tests are another matter.
    include: [join(dir, '**/*.d.ts')],
    exclude: [join(dir, '**/node_modules')],
  };
}

function parents(dir: string): string[] {
  return dir === dirname(dir) ? [dir] : [dir, ...parents(dirname(dir))];
}

interface Mistake {
  /** Absolute; null for one that is nowhere in a file. */
  file: string | null;
  line: number;
  column: number;
  message: string;
}

/** `index.ts(3,5): error TS2322: …`, with what follows indented. */
function mistakesIn(output: string, dir: string): Mistake[] {
  const found: Mistake[] = [];
  for (const text of output.split(/\r?\n(?=\S)/)) {
    const [, file, line, column, message] = /^(?:(.+?)\((\d+),(\d+)\): )?error (TS\d+: [^]*)$/.exec(text.trimEnd()) ?? [];
    if (message === undefined) continue;
    found.push({ file: file === undefined ? null : resolve(dir, file), line: Number(line), column: Number(column), message });
  }
  return found;
}

/** What it has said; that it ends with a code other than 0 says nothing more. */
function run(args: readonly string[], cwd: string): Promise<string> {
  return new Promise((done, fail) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error !== null && (typeof error.code !== 'number' || stdout === '')) fail(new Error(`${error.message}\n${stderr}`, { cause: error }));
      else done(stdout);
    });
  });
}
