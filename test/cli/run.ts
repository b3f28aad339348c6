/**
 * The built command as a user runs it: a folder to work in, one command to its end, a supervisor to its ready line.
 * Everything that a test starts here ends with `release`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, vi } from 'vitest';

export const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Started {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it has written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export interface RunOptions {
  env?: Record<string, string>;
  input?: string;
}

const children = new Set<ChildProcess>();
const folders = new Set<string>();

export class Workplace {
  readonly dir: string;

  /** A new folder, with `plugins` in it. */
  constructor() {
    this.dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'chameleon-cli-')));
    folders.add(this.dir);
    mkdirSync(this.path('plugins'));
  }

  path(...parts: string[]): string {
    return path.join(this.dir, ...parts);
  }

  get socket(): string {
    return this.path('.chameleon', 'control.sock');
  }

  write(file: string, content: unknown): string {
    const target = this.path(file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, typeof content === 'string' ? content : JSON.stringify(content));
    return target;
  }

  /** Puts a plugin at `<under>/<name>/<version>`; answers with its folder. */
  plugin(name: string, version: string, source: string, under = 'plugins'): string {
    const dir = `${under}/${name}/${version}`;
    this.write(`${dir}/package.json`, { name, version, type: 'module', main: 'index.js' });
    this.write(`${dir}/index.js`, source);
    return this.path(dir);
  }

  spawn(args: readonly string[], options: RunOptions = {}): Started {
    return this.program(process.execPath, [MAIN, ...args], options);
  }

  /** Runs a line of the shell, in which `"$@"` stands for the command with these arguments. */
  shell(line: string, args: readonly string[], options: RunOptions = {}): Started {
    return this.program('sh', ['-c', line, 'sh', process.execPath, MAIN, ...args], options);
  }

  /** Runs another program in the folder. */
  program(file: string, args: readonly string[], { env = {}, input }: RunOptions = {}): Started {
    const { PATH, HOME } = process.env;
    const child = spawn(file, args, { cwd: this.dir, env: { PATH, HOME, ...env }, stdio: 'pipe' });
    children.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const ended = new Promise<Ended>((resolve) =>
      child.once('close', (code, signal) => {
        children.delete(child);
        resolve({ code, signal, stdout, stderr });
      }),
    );
    return { pid: child.pid!, child, ended, stdout: () => stdout, stderr: () => stderr };
  }

  run(args: readonly string[], options?: RunOptions): Promise<Ended> {
    return this.spawn(args, options).ended;
  }

  /** Runs `start` until it is ready. Fails with what it wrote when it ends instead. */
  async start(args: readonly string[] = [], options?: RunOptions): Promise<Started> {
    const started = this.spawn(['start', ...args], options);
    let early: Ended | null = null;
    void started.ended.then((ended) => (early = ended));
    await vi.waitFor(
      () => {
        if (!/^ready:|"ready":true/m.test(started.stdout()) && early === null) throw new Error('not ready');
      },
      { timeout: 20_000, interval: 20 },
    );
    if (early !== null) expect.fail(`start has ended: ${JSON.stringify(early)}`);
    return started;
  }

  async json(args: readonly string[], options?: RunOptions): Promise<unknown> {
    const { stdout, stderr, code } = await this.run([...args, '--json'], options);
    if (code !== 0) expect.fail(`exit ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }
}

/** What `--json` and the control socket write. */
export function jsonLines<T>(text: string): T[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

/** Many requests on one connection; the answers come by id. */
export function requests(
  socket: string,
  list: readonly { op: string; params: object }[],
): Promise<{ id: number; result?: unknown; error?: { code: string } }[]> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket, () => {
      for (const [id, request] of list.entries()) connection.write(`${JSON.stringify({ id, ...request })}\n`);
    });
    let text = '';
    connection.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.split('\n').length > list.length) connection.end();
    });
    connection.once('error', reject);
    connection.once('close', () => resolve(jsonLines(text)));
  });
}

/** False for a zombie too: it has ended, and waits for whoever adopted it. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until `check` passes; long enough for a machine on which everything else runs too. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 15_000, interval: 25 });
}

/** Ends what the tests have started and removes their folders. For `afterEach` or `afterAll`. */
export async function release(): Promise<void> {
  await Promise.all(
    [...children].map(async (child) => {
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
      if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('close', resolve));
      clearTimeout(hard);
    }),
  );
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

/** A plugin that does what a test asks of it. */
export const DEMO = `
import { writeSync } from 'node:fs';
export default {
  methods: {
    greet(name) { return '你好, ' + name; },
    whoami() { return { pid: process.pid, version: this.version }; },
    echo(...args) { return args; },
    sleep(ms) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => resolve(ms), ms);
        this.signal.addEventListener('abort', () => { clearTimeout(timer); reject(new Error('aborted')); });
      });
    },
    wait() { return new Promise((_, reject) => this.signal.addEventListener('abort', () => { console.log('aborted'); reject(new Error('aborted')); })); },
    say(text) { console.log(text); return null; },
    first(value) { return value; },
    kind(value) { return value.constructor.name + ' ' + value.length; },
    array(value) { return { deep: [new Uint8Array(value)] }; },
    fail() { throw new TypeError('not today'); },
    crash() { writeSync(2, 'last words\\n'); process.exit(3); },
    spin() { for (;;); },
    big(length) { return 'x'.repeat(length); },
    options() { return options; },
  },
  init(plugin) { options = plugin.options; },
};
let options;
`;
