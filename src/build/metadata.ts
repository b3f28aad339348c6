/** Decorators with metadata: esbuild cannot emit the types that `emitDecoratorMetadata` asks for, and frameworks that inject by type fail. */
import { dirname, relative } from 'node:path';
import { getTsconfig, type TsConfigResult } from 'get-tsconfig';
import type { Issue } from '../errors.ts';
import type { BundledModule } from './modules.ts';

const WAY_OUT = 'compile with tsc and name the JavaScript that it writes: "main": "dist/index.js"';

/** One for each module whose decorators would lose their metadata. */
export function lostMetadata(modules: readonly BundledModule[], dir: string): Issue[] {
  return modules.flatMap(({ file, code }): Issue[] => {
    if (!/\b__decorate(?:Class|Param)\(/.test(code) || !/\.[cm]?tsx?$/.test(file)) return [];
    const tsconfig = readTsconfig(dirname(file));
    if (tsconfig?.config.compilerOptions?.emitDecoratorMetadata !== true) return [];
    const message = `has decorators, and ${relative(dir, tsconfig.path)} sets emitDecoratorMetadata, which a bundle cannot carry; ${WAY_OUT}`;
    return [{ path: relative(dir, file), message }];
  });
}

/** Null where esbuild finds none either, or one that extends a missing file. */
function readTsconfig(dir: string): TsConfigResult | null {
  try {
    return getTsconfig(dir);
  } catch {
    return null;
  }
}
