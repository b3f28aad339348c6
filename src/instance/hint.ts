/** From the facts of a failed start to the advice that usually helps. */
import { statSync } from 'node:fs';
import type { Release } from '../catalog/release.ts';
import type { SpawnPlan } from '../process/spawn.ts';
import type { ExitFacts } from '../types.ts';

export function startHint(release: Release, file: string, facts: { message: string; stderrTail: string; exit: ExitFacts | null }): string {
  const text = `${facts.message}\n${facts.stderrTail}\n${facts.exit?.detail ?? ''}`;
  if (facts.exit?.cause === 'spawn-error') {
    if (isFolderGone(release.dir)) return `put ${release.dir} back, or load another version`;
    if (/ENOENT/.test(text)) return `there is no program ${file}: check nodePath (or the plugin's command)`;
    if (/EACCES/.test(text)) return `${file} may not be executed: check its permissions, nodePath, or the plugin's command`;
    if (/EAGAIN|EMFILE|ENFILE|ENOMEM/.test(text)) return 'the system is out of processes, files or memory; it is tried again';
    return `${file} could not be started`;
  }
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(text)?.[1];
  if (missing !== undefined) return missingHint(missing, release.dir);
  if (/EADDRINUSE/.test(text))
    return "another process has this address: for a plugin that owns a port set rollout.strategy to 'exclusive', so that its old child lets go before the next one starts";
  if (/ERR_UNKNOWN_FILE_EXTENSION/.test(text)) return 'build the plugin to JavaScript and point "main" in its package.json there';
  if (/SyntaxError|Unexpected token|Cannot use import statement|require is not defined/.test(text))
    return `${release.entry ?? file} does not parse: check its syntax, and "type" in its package.json`;
  if (/bad option/.test(text)) return 'Node does not know an option: check execArgv';
  if (facts.exit?.cause === 'out-of-memory') return 'raise --max-old-space-size in execArgv, or load less at start';
  return `see the plugin's output; its folder is ${release.dir}`;
}

/** Node has the same error for a working folder that is gone as for a program that is. */
export function isFolderGone(dir: string): boolean {
  return statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true;
}

function missingHint(missing: string, dir: string): string {
  if (/^(?:[./\\]|file:|[a-z]:)/i.test(missing))
    return `there is no file ${missing}; a package that looks for files of its own has to stay outside of the bundle: build the plugin with --external PACKAGE`;
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(missing)?.[0] ?? missing;
  return `${name} is not installed: npm install ${name} in ${dir}, or npm ci where its package.json names it already`;
}

/** True for a message of the protocol that stands where text is expected: it was written without its header. */
export const isBareMessage = (line: string): boolean => line.startsWith('{"jsonrpc"');

/** For a child that was too slow, and may have stood at a breakpoint. Null for one without a debugger. */
export function debuggerHint({ args, env }: Pick<SpawnPlan, 'args' | 'env'>): string | null {
  const hasDebugger = [...args, ...(env['NODE_OPTIONS'] ?? '').split(' ')].some((arg) => arg.startsWith('--inspect'));
  return hasDebugger ? 'it has a debugger: the option debug lets it stand at a breakpoint' : null;
}

export function timeoutHint(stderrTail: string): string {
  if (stderrTail.split('\n').some(isBareMessage))
    return 'it wrote a message without a header: "Content-Length: <bytes>", CR LF, CR LF stand before each (docs/protocol.md)';
  return 'raise startTimeoutMs, or do less in import, init() and health()';
}
