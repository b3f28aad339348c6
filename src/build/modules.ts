/** The modules in the text of a bundle: esbuild writes the path of each one above its code. */
import { resolve } from 'node:path';

export interface BundledModule {
  /** Absolute path of the source. */
  readonly file: string;
  /** As esbuild wrote it: without comments, and without code that is not used. */
  readonly code: string;
  /** Number of its first line in the bundle, from 1. */
  readonly line: number;
}

/** `inputs` are paths relative to `dir`, as esbuild names them. */
export function modulesOf(text: string, inputs: ReadonlySet<string>, dir: string): BundledModule[] {
  const found: BundledModule[] = [];
  let current: { file: string; line: number; lines: string[] } | null = null;
  const close = (): void => {
    if (current !== null) found.push({ file: current.file, line: current.line, code: current.lines.join('\n') });
  };
  for (const [index, line] of text.split('\n').entries()) {
    const path = line.startsWith('// ') ? line.slice(3) : '';
    if (inputs.has(path)) {
      close();
      current = { file: resolve(dir, path), line: index + 2, lines: [] };
    } else current?.lines.push(line);
  }
  close();
  return found;
}

/** The module that a line of the bundle belongs to. */
export function moduleAt(modules: readonly BundledModule[], line: number): BundledModule | undefined {
  return modules.findLast((module) => module.line <= line);
}
