import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDeps, readSources, rules, type Rules } from '../../scripts/check-deps.ts';
import { importsOf } from '../../scripts/imports.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** A house of two floors, in order. */
const small: Rules = {
  parts: { ground: { is: ['src/ground/'], may: [] }, upper: { is: ['src/upper/'], may: ['ground'] } },
  packages: { execa: ['ground'] },
  exceptions: [],
  maxLines: 5,
};
const inOrder = {
  'src/ground/a.ts': "import { execa } from 'execa';\nexport const a = execa;\n",
  'src/upper/b.ts': "import { a } from '../ground/a.ts';\nexport const b = a;\n",
};

function problemsOf(changed: Record<string, string>, rulesChanged: Partial<Rules> = {}): string[] {
  return checkDeps(new Map(Object.entries({ ...inOrder, ...changed })), { ...small, ...rulesChanged });
}

describe('the house', () => {
  it('is in order: folders, packages, circles, lengths, and no stale permission', () => {
    expect(checkDeps(readSources(root), rules)).toEqual([]);
  });
});

describe('the rules', () => {
  it('are content with a house in order', () => {
    expect(problemsOf({})).toEqual([]);
  });

  it.each([
    [
      'an import upwards',
      { 'src/ground/c.ts': "import { b } from '../upper/b.ts';\n" },
      'src/ground/c.ts:1: ground may not import src/upper/b.ts (upper)',
    ],
    [
      'a type import upwards',
      { 'src/ground/c.ts': "\nimport type { b } from '../upper/b.ts';\n" },
      'src/ground/c.ts:2: ground may not import the types of',
    ],
    ['a dynamic import upwards', { 'src/ground/c.ts': "await import('../upper/b.ts');\n" }, 'src/ground/c.ts:1: ground may not import'],
    ['a package that belongs to others', { 'src/upper/c.ts': "import 'execa';\n" }, 'src/upper/c.ts:1: upper may not import the package execa'],
    ['a file of no part', { 'src/attic/c.ts': '' }, 'src/attic/c.ts:1: belongs to no part'],
    ['a file that is too long', { 'src/upper/c.ts': '\n'.repeat(6) }, 'src/upper/c.ts:6: 6 lines'],
    ['a script that is too long', { 'scripts/c.ts': '\n'.repeat(6) }, 'scripts/c.ts:6: 6 lines'],
    ['a way out of the project', { 'src/upper/c.ts': "import '../../../other/c.ts';\n" }, '../other/c.ts is outside the project'],
  ])('refuse %s', (_what, changed, problem) => {
    const problems = problemsOf(changed);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('refuse a circle of files, and show it', () => {
    const circle = { 'src/ground/c.ts': "import './d.ts';\n", 'src/ground/d.ts': "import './c.ts';\n" };
    expect(problemsOf(circle)).toEqual(['src/ground/c.ts:1: imports itself in a circle: src/ground/c.ts → src/ground/d.ts → src/ground/c.ts']);
  });

  it('refuse permissions, packages, parts and exceptions that nobody needs', () => {
    const parts = { ...small.parts, roof: { is: ['src/roof/'], may: ['upper'] } };
    const packages = { execa: ['ground', 'upper'] };
    const exceptions = [{ from: 'src/ground/a.ts', to: 'src/upper/b.ts', reason: 'none' }];
    const stale = problemsOf({}, { parts, packages, exceptions }).map((problem) => problem.split(': ').at(-1));
    expect(stale).toEqual(['part roof', 'roof → upper', 'packages execa → upper', 'exceptions src/ground/a.ts → src/upper/b.ts']);
  });

  it('refuse a table that allows an import upwards', () => {
    const parts = { ground: { is: ['src/ground/'], may: ['type upper'] }, upper: small.parts['upper']! };
    const upwards = { 'src/ground/c.ts': "import type { b } from '../upper/b.ts';\n" };
    expect(problemsOf(upwards, { parts })).toEqual(['scripts/check-deps.ts: ground is allowed upper, which does not stand above it']);
  });

  it('let an exception pass that is needed', () => {
    const upwards = { 'src/ground/c.ts': "import { b } from '../upper/b.ts';\n" };
    expect(problemsOf(upwards, { exceptions: [{ from: 'src/ground/c.ts', to: 'src/upper/b.ts', reason: 'for the test' }] })).toEqual([]);
  });

  it('tell a permission for types from one for values', () => {
    const parts = { ground: small.parts['ground']!, upper: { is: ['src/upper/'], may: ['type ground'] } };
    const types = { 'src/upper/b.ts': "import type { a } from '../ground/a.ts';\n" };
    expect(problemsOf(types, { parts })).toEqual([]);
    expect(problemsOf({ ...types, 'src/upper/c.ts': inOrder['src/upper/b.ts'] }, { parts })).toHaveLength(1);
  });

  it('let nothing but named exports stand in the public API', () => {
    const parts = { index: { is: ['src/'], may: [] } };
    const check = (text: string): string[] => checkDeps(new Map([['src/index.ts', text]]), { ...small, parts, packages: {} });
    expect(check("/** Doc. */\nexport { a } from 'a';\nexport type {\n  B,\n} from 'b';\n")).toEqual([]);
    expect(check("export { a } from 'a';\nexport * from 'b';\n")).toHaveLength(1);
    expect(check("import 'a';\n")).toHaveLength(1);
    expect(check('export const a = 1;\n')).toHaveLength(1);
  });
});

describe('importsOf', () => {
  it('sees every way to import, with its line, and whether it leaves a trace at run time', () => {
    const source = [
      "import a, { b } from 'one';",
      'import {',
      '  type C,',
      "} from 'two';",
      "import 'three';",
      "import type { D } from 'four';",
      "export * from 'five';",
      "export type { E } from 'six';",
      "const f = await import('seven');",
      "const g = require('eight');",
      "let h: import('nine').H;",
      "import('ten').then(() => {});",
      "import type from 'eleven';",
      "type I = typeof import('twelve');",
    ].join('\n');
    expect(importsOf(source).map(({ specifier, line, typeOnly }) => `${line} ${typeOnly ? 'type ' : ''}${specifier}`)).toEqual([
      '1 one',
      '4 two',
      '5 three',
      '6 type four',
      '7 five',
      '8 type six',
      '9 seven',
      '10 eight',
      '11 type nine',
      '12 ten',
      '13 eleven',
      '14 type twelve',
    ]);
  });

  it('takes nothing for an import that stands in a comment, a string, a template or a regular expression', () => {
    const source = [
      "// import 'a';",
      "/* import 'b'; */",
      'const c = "import \'c\';";',
      "const d = `import 'd'; ${'}'} ${`import 'e';`}`;",
      "const f = /['\"`/*]/.test(x) || y / z; import 'real';",
      "const g = 'it\\'s'; // from 'g'",
      "export const from = 'h';",
    ].join('\n');
    expect(importsOf(source)).toEqual([{ specifier: 'real', line: 5, typeOnly: false }]);
  });
});
