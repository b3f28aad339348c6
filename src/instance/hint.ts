/** From the facts of a failed start to the advice that usually helps. */
import type { Release } from '../catalog/release.ts';
import type { ExitFacts } from '../types.ts';

export function startHint(release: Release, file: string, facts: { message: string; stderrTail: string; exit: ExitFacts | null }): string {
  const text = `${facts.message}\n${facts.stderrTail}\n${facts.exit?.detail ?? ''}`;
  if (facts.exit?.cause === 'spawn-error') {
    if (/ENOENT/.test(text)) return `there is no program ${file}: check nodePath (or the plugin's command)`;
    if (/EACCES/.test(text)) return `${file} may not be executed: check its permissions, nodePath, or the plugin's command`;
    if (/EAGAIN|EMFILE|ENFILE|ENOMEM/.test(text)) return 'the system is out of processes, files or memory; it is tried again';
    return `${file} could not be started`;
  }
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(text);
  if (missing !== null) return `${missing[1]} is not installed: run npm ci in ${release.dir}`;
  if (/ERR_UNKNOWN_FILE_EXTENSION/.test(text)) return 'build the plugin to JavaScript and point "main" in its package.json there';
  if (/SyntaxError|Unexpected token|Cannot use import statement|require is not defined/.test(text))
    return `${release.entry ?? file} does not parse: check its syntax, and "type" in its package.json`;
  if (/bad option/.test(text)) return 'Node does not know an option: check execArgv';
  if (facts.exit?.cause === 'out-of-memory') return 'raise --max-old-space-size in execArgv, or load less at start';
  return `see the plugin's output; its folder is ${release.dir}`;
}
