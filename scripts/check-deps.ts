/**
 * Which folder may import what: the direction of the house, enforced. Run by `npm run deps` and by the tests.
 *
 * A part may import itself, and the parts named for it, which all stand above it in the table. Everything that is not named is
 * forbidden; a permission that nobody uses any more is a mistake too, so the table always says what is so.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { blank, importsOf } from './imports.ts';

interface Part {
  /** Beginnings of the paths that belong to it. */
  readonly is: readonly string[];
  /** Parts or single files; `type x` allows `import type` alone; `*` all that stands above. */
  readonly may: readonly string[];
}

export interface Rules {
  /** Top to bottom. */
  readonly parts: Readonly<Record<string, Part>>;
  /** Packages that belong to some parts alone. */
  readonly packages: Readonly<Record<string, readonly string[]>>;
  /** Single imports that are allowed for a reason. */
  readonly exceptions: readonly { from: string; to: string; reason: string }[];
  readonly maxLines: number;
}

export const rules: Rules = {
  parts: {
    types: { is: ['src/types.ts', 'src/status-types.ts', 'src/rollout-types.ts'], may: [] },
    util: { is: ['src/util/'], may: [] },
    protocol: { is: ['src/protocol/'], may: ['src/util/timers.ts'] },
    runner: { is: ['runner/'], may: ['protocol', ...['cgroup', 'descendants', 'marker', 'proc'].map((name) => `src/process/${name}.ts`)] },
    errors: {
      is: ['src/errors.ts', 'src/error-base.ts', 'src/payload-errors.ts', 'src/rollout-errors.ts', 'src/install-errors.ts', 'src/build-errors.ts'],
      may: ['types'],
    },
    events: { is: ['src/events.ts'], may: ['types', 'src/util/timers.ts', 'errors'] },
    options: { is: ['src/options.ts', 'src/options-'], may: ['types', 'util', 'src/protocol/messages.ts', 'errors'] },
    config: { is: ['src/config.ts'], may: ['types'] },
    catalog: { is: ['src/catalog/'], may: ['types', 'util', 'protocol', 'errors', 'options'] },
    process: { is: ['src/process/'], may: ['types', 'util', 'protocol'] },
    state: { is: ['src/state/'], may: ['util', 'errors', 'catalog', 'process'] },
    watch: { is: ['src/watch/'], may: ['util'] },
    rpc: { is: ['src/rpc/'], may: ['util', 'protocol'] },
    resilience: { is: ['src/resilience/'], may: ['types', 'type options'] },
    instance: {
      is: ['src/instance/'],
      may: ['types', 'util', 'protocol', 'errors', 'events', 'type options', 'catalog', 'process', 'rpc', 'resilience'],
    },
    install: { is: ['src/install/'], may: ['util', 'src/protocol/messages.ts', 'errors', 'src/options-calls.ts', 'catalog', 'process'] },
    supervision: {
      is: ['src/supervision/'],
      may: [
        'types',
        'util',
        'protocol',
        'errors',
        'events',
        'options',
        'catalog',
        'process',
        'install',
        'state',
        'watch',
        'rpc',
        'resilience',
        'instance',
      ],
    },
    telemetry: { is: ['src/telemetry/'], may: ['types', 'util', 'errors', 'events'] },
    create: { is: ['src/create.ts', 'src/host.ts'], may: ['*'] },
    index: { is: ['src/index.ts'], may: ['*'] },
    build: { is: ['src/build/'], may: ['util', 'errors', 'catalog', 'index'] },
    testing: { is: ['src/testing.ts'], may: ['errors', 'index', 'build'] },
    cli: { is: ['src/cli/'], may: ['util', 'index', 'build', 'src/protocol/slices.ts'] },
  },
  packages: {
    'vscode-jsonrpc': ['rpc'],
    execa: ['process', 'install'],
    'tree-kill': ['process'],
    winston: ['telemetry'],
    chokidar: ['watch', 'cli'],
    esbuild: ['build'],
    'get-tsconfig': ['build'],
    tar: ['install', 'build'],
    'p-queue': ['resilience'],
  },
  exceptions: [],
  maxLines: 300,
};

/** Path from the root, with slashes, to text. */
export type Sources = ReadonlyMap<string, string>;

interface Edge {
  from: string;
  to: string;
  line: number;
  typeOnly: boolean;
}

/** One line for each thing that is not as it should be; none when the house is in order. */
export function checkDeps(sources: Sources, { parts, packages, exceptions, maxLines }: Rules): string[] {
  const problems: string[] = [];
  const unused = new Set<string>(tableEntries(parts, packages, exceptions));
  const partOf = (file: string): string | undefined => Object.keys(parts).find((name) => parts[name]!.is.some((start) => file.startsWith(start)));
  const use = (entry: string): boolean => {
    unused.delete(entry);
    return true;
  };

  const checkPackage = (edge: Edge, part: string): void => {
    const name = edge.to.split('/', edge.to.startsWith('@') ? 2 : 1).join('/');
    const owners = packages[name];
    if (owners === undefined) return;
    if (owners.includes(part)) use(`packages ${name} → ${part}`);
    else problems.push(`${edge.from}:${edge.line}: ${part} may not import the package ${name}; allowed for: ${owners.join(', ')}`);
  };

  const checkFile = (edge: Edge, part: string): void => {
    const target = partOf(edge.to);
    if (target === part) return;
    const exception = exceptions.find(({ from, to }) => from === edge.from && to === edge.to);
    if (exception !== undefined && use(`exceptions ${exception.from} → ${exception.to}`)) return;
    const { may } = parts[part]!;
    const permission = may.find(
      (entry) => entry === '*' || entry === target || entry === edge.to || (edge.typeOnly && entry.replace(/^type /, '') === target),
    );
    if (permission !== undefined && use(`${part} → ${permission}`)) return;
    const what = `${edge.typeOnly ? 'the types of ' : ''}${edge.to} (${target ?? 'no part'})`;
    problems.push(`${edge.from}:${edge.line}: ${part} may not import ${what}; allowed: ${may.join(', ') || 'nothing'}`);
  };

  const edges = new Map<string, Edge[]>();
  for (const [file, text] of sources) {
    const lines = text.split('\n').length - 1;
    if (lines > maxLines) problems.push(`${file}:${maxLines + 1}: ${lines} lines; no file has more than ${maxLines}`);
    if (file.startsWith('scripts/')) continue;
    const part = partOf(file);
    if (part === undefined) {
      problems.push(`${file}:1: belongs to no part of the table in scripts/check-deps.ts`);
      continue;
    }
    use(`part ${part}`);
    if (part === 'index') problems.push(...checkIndex(file, text));
    const found = importsOf(text).map(({ specifier, line, typeOnly }) => ({ from: file, to: resolve(file, specifier), line, typeOnly }));
    for (const edge of found) {
      if (/^\.?\.?\//.test(edge.to)) problems.push(`${file}:${edge.line}: ${edge.to} is outside the project`);
      else if (isOurs(edge.to)) checkFile(edge, part);
      else checkPackage(edge, part);
    }
    edges.set(file, found);
  }
  problems.push(...cycles(edges));
  for (const entry of unused) problems.push(`scripts/check-deps.ts: stale entry of the table, nothing in the project needs it: ${entry}`);
  problems.push(...wrongDirections(parts));
  return problems;
}

const isOurs = (target: string): boolean => target.endsWith('.ts');

function resolve(file: string, specifier: string): string {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : specifier;
}

function tableEntries(parts: Rules['parts'], packages: Rules['packages'], exceptions: Rules['exceptions']): string[] {
  return [
    ...Object.keys(parts).map((name) => `part ${name}`),
    ...Object.entries(parts).flatMap(([name, { may }]) => may.filter((entry) => entry !== '*').map((entry) => `${name} → ${entry}`)),
    ...Object.entries(packages).flatMap(([name, owners]) => owners.map((owner) => `packages ${name} → ${owner}`)),
    ...exceptions.map(({ from, to }) => `exceptions ${from} → ${to}`),
  ];
}

/** A permission to import upwards would make the order of the table a lie. */
function wrongDirections(parts: Rules['parts']): string[] {
  const names = Object.keys(parts);
  return names.flatMap((name, position) =>
    parts[name]!.may.map((entry) => entry.replace(/^type /, ''))
      .filter((entry) => names.indexOf(entry) >= position)
      .map((entry) => `scripts/check-deps.ts: ${name} is allowed ${entry}, which does not stand above it`),
  );
}

/** The public API is a list of names, and nothing else. */
function checkIndex(file: string, text: string): string[] {
  const rest = blank(text).replace(/export (?:type )?\{[^}]*\} from '\0+';/g, (found) => found.replace(/[^\n]/g, ' '));
  const line = rest.split('\n').findIndex((content) => content.trim() !== '');
  return line === -1 ? [] : [`${file}:${line + 1}: only \`export { names } from '…';\` may stand here`];
}

function cycles(edges: ReadonlyMap<string, readonly Edge[]>): string[] {
  const done = new Set<string>();
  const trail: string[] = [];
  const found: string[] = [];
  const visit = (file: string): void => {
    if (trail.includes(file)) {
      found.push(`${file}:1: imports itself in a circle: ${[...trail.slice(trail.indexOf(file)), file].join(' → ')}`);
      return;
    }
    if (done.has(file)) return;
    done.add(file);
    trail.push(file);
    for (const { to } of edges.get(file) ?? []) if (edges.has(to)) visit(to);
    trail.pop();
  };
  for (const file of edges.keys()) visit(file);
  return found;
}

/** Every TypeScript file of the project's own code. */
export function readSources(root: string): Sources {
  const files = ['src', 'runner', 'scripts'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
      path.posix.join(folder, file.split(path.sep).join('/')),
    ),
  );
  return new Map(
    files
      .filter((file) => file.endsWith('.ts') && !file.includes('/node_modules/'))
      .toSorted()
      .map((file) => [file, readFileSync(path.join(root, file), 'utf8')]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = checkDeps(readSources(path.resolve(import.meta.dirname, '..')), rules);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
