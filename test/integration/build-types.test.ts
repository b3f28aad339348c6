/** `client.d.ts`: a host that has neither the plugin's source nor its dependencies is held to what the methods take and answer. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extract } from 'tar';
import { describe, expect, test } from 'vitest';
import type { BuildFailedError } from '../../src/build-errors.ts';
import { buildPlugin, type BuildResult } from '../../src/build/build.ts';
import { installOurs, putProject, runTsc, type Ran } from '../helpers/author.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const { tempDir } = supervise;
const manifest = { name: 'shop', version: '1.0.0', type: 'module', main: 'index.ts' };
const tsconfig = {
  compilerOptions: { target: 'es2023', module: 'nodenext', strict: true, types: ['node'], allowImportingTsExtensions: true, noEmit: true },
};

async function built(files: Record<string, string | object>, others?: string[]): Promise<BuildResult & { client: string; dir: string }> {
  const dir = await putProject(await tempDir(), files);
  await installOurs(dir, others);
  const result = await buildPlugin(dir, { file: join(await tempDir(), 'built.tgz') });
  const unpacked = await tempDir();
  await extract({ file: result.file, cwd: unpacked, strip: 1 });
  return { ...result, client: await readFile(join(unpacked, 'client.d.ts'), 'utf8'), dir: unpacked };
}

/** Type-checks a program of a host, which has the built plugin in its `node_modules` and this package, and nothing else. */
async function check(plugin: { file: string }, program: string): Promise<Ran> {
  const host = await putProject(await tempDir(), {
    'package.json': { type: 'module' },
    // Without `skipLibCheck`: the plugin's declarations are looked at too.
    'tsconfig.json': { compilerOptions: { target: 'es2023', module: 'nodenext', strict: true, types: ['node'], noEmit: true }, files: ['host.ts'] },
    'host.ts': `
      import type { Supervisor } from 'chameleon-supervisor';
      import type shop from 'shop';
      import type { Methods } from 'shop';
      declare const supervisor: Supervisor;
      const client = supervisor.plugin<Methods>('shop');
      const same: typeof client = supervisor.plugin<typeof shop.methods>('shop');
      void same;
      ${program}`,
  });
  await installOurs(host, ['@types']);
  await mkdir(join(host, 'node_modules/shop'));
  await extract({ file: plugin.file, cwd: join(host, 'node_modules/shop'), strip: 1 });
  return runTsc(['-p', '.', '--pretty', 'false'], host);
}

const TYPED = {
  'package.json': { ...manifest, files: [] },
  'tsconfig.json': tsconfig,
  'node_modules/money/package.json': { name: 'money', version: '1.0.0', types: 'index.d.ts', type: 'module' },
  'node_modules/money/index.js': 'export class Money { constructor(cents) { this.cents = cents; } }',
  'node_modules/money/index.d.ts': 'export declare class Money { constructor(cents: number); cents: number; private secret; format(): string }',
  'types.ts': `export interface Item { name: string; tags?: readonly string[] } export enum Size { Small = 'small', Large = 'large' }
               export interface Tree { label: string; children: Tree[] }`,
  'index.ts': `
    import { definePlugin, method } from 'chameleon-supervisor/plugin';
    import { Money } from 'money';
    import { Size, type Item, type Tree } from './types.ts';
    export default definePlugin({ methods: {
      price: method({ idempotent: true }, async function (item: Item, size: Size, count?: number) {
        return { price: new Money(item.name.length * (count ?? 1)), size, at: new Date() };
      }),
      find: (name: string): Item | undefined => (name === '' ? undefined : { name }),
      grow(tree: Tree): Tree { return tree; },
      shrink: (image: Uint8Array) => ({ image, sizes: [image.length] }),
      forget(): void {},
      'two words'(...names: string[]) { return names.length; },
    } });`,
};

describe('of TypeScript', () => {
  test('each method has its own types, written out as JSON carries them', { timeout: 60_000 }, async () => {
    const plugin = await built(TYPED);
    expect(plugin).toMatchObject({ compiler: expect.stringMatching(/^TypeScript \d/), untyped: [] });
    expect(plugin.client).not.toMatch(/import|Money|Size\b|ArrayBufferLike/);
    const fits = await check(
      plugin,
      `const sold = await client.price({ name: 'apple', tags: ['red'] }, 'small', 2);
       const cents: number = sold.price.cents;
       const at: string = sold.at;
       const size: 'small' | 'large' = sold.size;
       const found: { name: string; tags?: readonly string[] } | null = await client.find('x');
       const label: string = (await client.grow({ label: '', children: [] })).label;
       const count: number = await client['two words']('a', 'b');
       const shrunk: Uint8Array = (await client.shrink(Buffer.from('x'))).image;
       const nothing: Promise<void> = client.forget();
       void [cents, at, size, found, label, count, shrunk, nothing];`,
    );
    expect(fits).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('a host is told of what the plugin does not take, does not answer and does not have', { timeout: 60_000 }, async () => {
    const { stdout, code } = await check(
      await built(TYPED),
      [
        `await client.price({ name: 1 }, 'small');`,
        `await client.price({ name: 'a' }, 'huge');`,
        'await client.price();',
        `const date: Date = (await client.price({ name: 'a' }, 'small')).at;`,
        'await client.steal();',
        'export { date };',
      ].join('\n'),
    );
    expect(code).not.toBe(0);
    const found = [...stdout.matchAll(/^host\.ts\((\d+),\d+\): error (TS\d+)/gm)].map(([, line, error]) => `${Number(line) - 8} ${error}`);
    expect(found, stdout).toEqual(['1 TS2322', '2 TS2345', '3 TS2554', '4 TS2322', '5 TS2339']);
  });

  test('values that JSON carries in part are typed as they arrive', { timeout: 60_000 }, async () => {
    const plugin = await built({
      'package.json': manifest,
      'tsconfig.json': tsconfig,
      'cart.ts': `
        export class Cart { items = ['apple']; #sum = 1; get total(): number { return this.#sum; } set total(sum: number) { this.#sum = sum; } add(): void {} }
        export class Big extends Cart { override get total(): number { return 2; } label = 'big'; }`,
      'index.ts': `
        import { Cart, Big } from './cart.ts';
        class Local { kept = 1; get lost() { return 2; } }
        class Failed extends Error { reason = 'none'; }
        class Index extends Map<string, number> { label = 'index'; }
        export default { methods: {
          builtIns: () => ({ map: new Map([['a', 1]]), set: new Set([1]), pattern: /x/g, bytes: new ArrayBuffer(2), failed: new Failed('lost'), index: new Index(), numbers: new Float64Array(1) }),
          classes: () => ({ carts: [new Cart()], big: new Big(), local: new Local() }),
          literal: () => ({ get total() { return 1; }, name: 'n', message: 'm' }),
          optional: (): { onDone?: () => void; mixed: (() => void) | string } => ({ mixed: 'text' }),
          async *list() { yield 1; },
        } };`,
    });
    expect(plugin.untyped).toEqual([]);
    expect(plugin.client.slice(plugin.client.indexOf('{')).replace(/\s+/g, ' ')).toContain(
      '{ builtIns: () => { map: {}; set: {}; pattern: {}; bytes: {}; failed: { reason: string; }; index: { label: string; }; numbers: { [index: number]: number; }; };' +
        ' classes: () => { carts: { items: string[]; }[]; big: { items: string[]; label: string; }; local: { kept: number; }; };' +
        ' list: () => {};' +
        ' literal: () => { readonly total: number; name: string; message: string; };' +
        ' optional: () => { mixed: string; }; }',
    );
    const { supervisor } = await supervise();
    await supervisor.load(plugin.dir);
    const arrived = await Promise.all(plugin.methods.map((method) => supervisor.call('shop', method)));
    expect(arrived).toEqual([
      { map: {}, set: {}, pattern: {}, bytes: {}, failed: { reason: 'none' }, index: { label: 'index' }, numbers: { 0: 0 } },
      { carts: [{ items: ['apple'] }], big: { items: ['apple'], label: 'big' }, local: { kept: 1 } },
      {},
      { total: 1, name: 'n', message: 'm' },
      { mixed: 'text' },
    ]);
    expect((await check(plugin, 'const total: number = (await client.literal()).total; void total;')).stdout).toBe('');
  });

  test('source that does not type-check is not packed, and its lines are told', async () => {
    const wrong = built({ ...TYPED, 'types.ts': `${TYPED['types.ts']}\nexport const wrong: number = 'text';` });
    const error = await rejection<BuildFailedError>(wrong);
    expect(error.code).toBe('ERR_BUILD_FAILED');
    expect(error.issues).toEqual([{ path: 'types.ts:3:14', message: "TS2322: Type 'string' is not assignable to type 'number'." }]);
  });

  test('what is declared for the whole project is known, and what the plugin does not import is not looked at', async () => {
    const plugin = await built({
      ...TYPED,
      'other.ts': "export const wrong: number = 'text';",
      'global.d.ts': 'interface Currency { code: string }',
      'types.ts': `${TYPED['types.ts']}\nexport const currency: Currency = { code: 'CHF' };`,
    });
    expect(plugin.untyped).toEqual([]);
  });

  test('without a compiler in the project the types are unknown, and the plugin is packed all the same', async () => {
    const plugin = await built(TYPED, []);
    expect(plugin).toMatchObject({ compiler: null, untyped: plugin.methods });
    expect(await check(plugin, `const answer: unknown = await client.price('anything', 1); void answer;`)).toMatchObject({ code: 0 });
  });
});

describe('of JavaScript', () => {
  const SOURCE = `
    export default { methods: {
      /** @param {string} name @param {{ loud?: boolean }} [how] */
      greet(name, how) { return how?.loud ? name.toUpperCase() : name; },
      loose(x) { return 1; },
    } };`;
  const DEFINED = `
    import { definePlugin, method } from 'chameleon-supervisor/plugin';
    export default definePlugin({ methods: { any(x) { return [1, x]; }, declared: method({ idempotent: true }, function (x) { return 'y' + x; }) } });`;
  const files = { 'package.json': { ...manifest, main: 'index.js' }, 'index.js': SOURCE };

  test('the types are those of JSDoc and of what is returned', { timeout: 60_000 }, async () => {
    const plugin = await built(files);
    expect(plugin).toMatchObject({ untyped: [], compiler: expect.stringContaining('TypeScript') });
    expect(
      await check(
        plugin,
        `const text: string = await client.greet('x', { loud: true }); const one: number = await client.loose({}); void [text, one];`,
      ),
    ).toMatchObject({ code: 0 });
    expect((await check(plugin, 'void client.greet(1);')).stdout).toContain('TS2345');
  });

  test('a parameter of which nothing is said takes anything', async () => {
    const { client } = await built({ ...files, 'index.js': DEFINED });
    expect(client).toContain('  any: (...args: unknown[]) => number[];\n  declared: (x: unknown) => string;\n');
  });

  test('without a compiler they are unknown', async () => {
    const { client, dir } = await built(files, []);
    expect(client).toContain('greet: (...args: unknown[]) => unknown;');
    expect(await readFile(join(dir, 'package.json'), 'utf8')).toContain('"types": "client.d.ts"');
  });
});
