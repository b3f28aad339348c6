/** Plugins built for a test, and what is in the packages. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extract } from 'tar';
import { buildPlugin, type BuildPluginOptions, type BuildResult } from '../../src/build/build.ts';
import { putProject } from './author.ts';

export interface Builds {
  build(dir: string, options?: BuildPluginOptions): Promise<BuildResult>;
  /** Of a project of these files. */
  built(files: Record<string, string | object>, options?: BuildPluginOptions): Promise<BuildResult>;
  /** Unpacks as an installation would, and resolves with the folder. */
  unpacked(result: BuildResult): Promise<string>;
}

/** `tempDir` makes folders that are removed after the test. */
export function useBuilds(tempDir: () => Promise<string>): Builds {
  const build: Builds['build'] = async (dir, options = {}) => buildPlugin(dir, { file: join(await tempDir(), 'built.tgz'), ...options });
  return {
    build,
    built: async (files, options) => build(await putProject(await tempDir(), files), options),
    async unpacked({ file }) {
      const dir = await tempDir();
      await extract({ file, cwd: dir, strip: 1 });
      return dir;
    },
  };
}

export const readJson = async (file: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
