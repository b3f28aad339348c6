/** What a bundle makes of TypeScript is what the compiler makes of it, or is refused. */
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BuildFailedError } from '../../src/build-errors.ts';
import { startPlugin } from '../../src/testing.ts';
import { putProject } from '../helpers/author.ts';
import { useBuilds } from '../helpers/builds.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const { tempDir } = useSupervisors();
const { build, built, unpacked } = useBuilds(tempDir);
const manifest = { name: 'shop', version: '1.2.3', type: 'module', main: 'index.ts' };

/** Without `useDefineForClassFields` the field keeps what the constructor of the base class gave it. */
const FIELDS = `
  class Base { constructor() { this.fill(); } fill() {} }
  class Filled extends Base { value?: string; override fill() { this.value = 'filled'; } }
  export const kept = new Filled().value ?? 'lost';`;
const DECORATED = `
  const names: string[] = [];
  const named = (target: object, key: string, _: unknown) => void names.push(key);
  class Decorated { @named method() {} }
  export const decorated = names.join() + typeof Decorated;`;
const LEGACY = { compilerOptions: { target: 'es2022', useDefineForClassFields: false, experimentalDecorators: true } };

describe('a module keeps the settings of its own tsconfig.json', () => {
  test('when it is imported by a path that tsconfig.json makes up', async () => {
    const files = {
      'package.json': manifest,
      'tsconfig.json': { compilerOptions: { ...LEGACY.compilerOptions, paths: { '@lib/*': ['./lib/*'] } } },
      'index.ts':
        "import { kept } from '@lib/fields.js'; import { decorated } from '@lib/decorated.ts'; export default { methods: { [`${kept} ${decorated}`]() {} } };",
      'lib/fields.ts': FIELDS,
      'lib/decorated.ts': DECORATED,
    };
    const dir = await putProject(await tempDir(), files);
    expect(await build(dir)).toMatchObject({ methods: ['filled methodfunction'] });
    await using plugin = await startPlugin(dir);
    expect(plugin.supervisor.methods('shop')).toEqual(['filled methodfunction']);
  });

  test('when it is a package of the same workspace', async () => {
    const root = await putProject(await tempDir(), {
      'packages/lib/package.json': { name: '@shop/lib', version: '1.0.0', type: 'module', exports: './index.ts' },
      'packages/lib/tsconfig.json': LEGACY,
      'packages/lib/index.ts': `${FIELDS}\n${DECORATED}`,
      'packages/plugin/package.json': { ...manifest, dependencies: { '@shop/lib': '*' } },
      'packages/plugin/tsconfig.json': {},
      'packages/plugin/index.ts': "import { kept, decorated } from '@shop/lib'; export default { methods: { [`${kept} ${decorated}`]() {} } };",
    });
    await mkdir(join(root, 'node_modules/@shop'), { recursive: true });
    await symlink(join(root, 'packages/lib'), join(root, 'node_modules/@shop/lib'), 'junction');
    const dir = join(root, 'packages/plugin');
    expect(await build(dir)).toMatchObject({ methods: ['filled methodfunction'], warnings: '' });
    await using plugin = await startPlugin(dir);
    expect(plugin.supervisor.methods('shop')).toEqual(['filled methodfunction']);
  });
});

test('classes and functions of one name in two files keep it', async () => {
  const source = (code: string): string =>
    `export class NotFound extends Error { code = '${code}'; constructor() { super(); this.name = this.constructor.name; } } export const find = () => {};`;
  const result = await built({
    'package.json': manifest,
    'index.ts': `import * as a from './a.ts'; import * as b from './b.ts';
      const names = [new a.NotFound().name, new b.NotFound().name, a.find.name, b.find.name];
      export default { methods: { [names.join()]() { return [a.find(), b.find()]; } } };`,
    'a.ts': source('a'),
    'b.ts': source('b'),
  });
  expect(result.methods).toEqual(['NotFound,NotFound,find,find']);
});

describe('decorators with metadata', () => {
  const files = {
    'package.json': manifest,
    'base.json': { compilerOptions: { experimentalDecorators: true, emitDecoratorMetadata: true } },
    'tsconfig.json': '{ "extends": "./base.json", /* no comma follows the last one */ "compilerOptions": { "target": "es2022", }, }',
    'index.ts': "import { decorated } from './lib/decorated.ts'; export default { methods: { [decorated]() {} } };",
    'lib/decorated.ts': DECORATED,
  };

  test('are refused, with the way out, by build and by the tests of a plugin', async () => {
    const refused = {
      code: 'ERR_BUILD_FAILED',
      issues: [
        {
          path: 'lib/decorated.ts',
          message:
            'has decorators, and tsconfig.json sets emitDecoratorMetadata, which a bundle cannot carry; compile with tsc and name the JavaScript that it writes: "main": "dist/index.js"',
        },
      ],
    };
    const dir = await putProject(await tempDir(), files);
    expect(await rejection<BuildFailedError>(build(dir))).toMatchObject(refused);
    expect(await rejection<BuildFailedError>(startPlugin(dir))).toMatchObject(refused);
  });

  test('are not looked for in a project without decorators, nor in what tsc has written', async () => {
    const compiled = `
      const __decorate = (decorators, target) => decorators.forEach((each) => each(target));
      const types = []; class Compiled {}
      __decorate([(target) => types.push(target.name)], Compiled);
      export const decorated = types.join();`;
    expect(await built({ ...files, 'lib/decorated.ts': "export const decorated = 'plain';" })).toMatchObject({ methods: ['plain'] });
    const result = await built({
      ...files,
      'package.json': { ...manifest, main: 'dist/index.js' },
      'dist/index.js': "import { decorated } from './decorated.js'; export default { methods: { [decorated]() {} } };",
      'dist/decorated.js': compiled,
    });
    expect(result).toMatchObject({ methods: ['Compiled'] });
    expect(await readFile(join(await unpacked(result), 'dist/index.js'), 'utf8')).toContain('__decorate(');
  });
});
