/** The folder that is packed. Only files that were put here on purpose are packed, whatever else a plugin writes when it runs. */
import { chmod, constants, copyFile, cp, mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export class Stage {
  readonly dir: string;
  readonly #files = new Set<string>();

  constructor(dir: string) {
    this.dir = dir;
  }

  get files(): string[] {
    return [...this.#files].sort();
  }

  async write(path: string, text: string): Promise<void> {
    await this.#put(path, (target) => writeFile(target, text), false);
  }

  async copy(from: string, path: string): Promise<void> {
    const executable = ((await stat(from)).mode & 0o100) !== 0;
    await this.#put(path, (target) => copyFile(from, target), executable);
  }

  /** A copy for the trial alone. Not a link: Node would find from there what else the author has installed. */
  async lend(from: string, path: string): Promise<void> {
    const filter = (file: string): boolean => basename(file) !== 'node_modules' || file === from;
    await cp(from, join(this.dir, path), { recursive: true, dereference: true, mode: constants.COPYFILE_FICLONE, filter });
  }

  async #put(path: string, put: (target: string) => Promise<void>, executable: boolean): Promise<void> {
    const target = join(this.dir, path);
    await mkdir(dirname(target), { recursive: true });
    await put(target);
    await chmod(target, executable ? 0o755 : 0o644);
    this.#files.add(path);
  }
}
