/** A lockfile and a package.json from outside decide what npm does: what would take it elsewhere is refused before it starts. */
import { describe, expect, test } from 'vitest';
import { checkManifest, planDependencies } from '../../src/install/lockfile.ts';

const integrity = 'sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==';
const manifest = { name: 'hello', version: '1.0.0', dependencies: { a: '^1.0.0' } };
const lock = (packages: object): object => ({ lockfileVersion: 3, packages: { '': manifest, ...packages } });
const locked = (fields: object = {}): object => ({
  version: '1.0.0',
  resolved: 'https://registry.example.org/a/-/a-1.0.0.tgz',
  integrity,
  ...fields,
});

const nothingCameAlong = (): boolean => false;

describe('taken', () => {
  test('what a registry has and what came along, as deep as it lies; what is for development alone may be anything', () => {
    const { packages } = planDependencies(
      {
        ...manifest,
        optionalDependencies: { '@s/b': '1 || 2', absent: '*' },
        peerDependencies: { c: '>=1 <3' },
        devDependencies: { dev: 'file:..' },
      },
      lock({
        'node_modules/a': locked({ dependencies: { d: 'npm:@other/d@^1', c: 'latest' }, bundleDependencies: ['d'] }),
        'node_modules/a/node_modules/d': locked({
          name: '@other/d',
          inBundle: true,
          integrity: undefined,
          resolved: undefined,
          dependencies: { c: '1.0.0 - 2.0.0' },
        }),
        'node_modules/@s/b': locked({ resolved: undefined }),
        'node_modules/c': locked({ resolved: undefined, dependencies: { a: '*' } }),
        'node_modules/d': locked({ integrity: undefined }),
        'node_modules/dev': { resolved: '..', link: true },
        '..': { name: 'dev', version: '1.0.0', dependencies: { x: 'github:x/y' } },
      }),
      nothingCameAlong,
    );
    expect([...packages.keys()].sort()).toEqual(['node_modules/@s/b', 'node_modules/a', 'node_modules/a/node_modules/d', 'node_modules/c']);
  });
});

describe('refused', () => {
  test.each<[string, object, RegExp]>([
    ['a place that leads up', { 'node_modules/../../evil': locked() }, /outside node_modules/],
    ['a place that leads up further down', { 'node_modules/a/node_modules/../../../../evil': locked() }, /outside node_modules/],
    ['an absolute place', { '/etc/node_modules/a': locked() }, /outside node_modules/],
    ['a place in the node_modules of others', { '../node_modules/a': locked() }, /outside node_modules/],
    ['a place that is no name', { 'node_modules/a/b': locked() }, /outside node_modules/],
    ['a hidden place', { 'node_modules/.hooks': locked() }, /outside node_modules/],
    ['a link', { 'node_modules/a': { resolved: '../../secrets', link: true } }, /links/],
    ['a link that says it is for development', { 'node_modules/a': { resolved: '../../secrets', link: true, dev: true } }, /links/],
    ['a clone', { 'node_modules/a': locked({ resolved: 'git+ssh://git@example.org/a.git#0123' }) }, /no registry/],
    ['a file', { 'node_modules/a': locked({ resolved: 'file:../a.tgz' }) }, /no registry/],
    ['a package without a hash', { 'node_modules/a': locked({ integrity: undefined }) }, /without a hash/],
    ['a package with an empty hash', { 'node_modules/a': locked({ integrity: '' }) }, /without a hash/],
    ['a package with a lockfile of its own', { 'node_modules/a': locked({ hasShrinkwrap: true }) }, /lockfile of its own/],
    ['a clone further down', { 'node_modules/a': locked({ dependencies: { b: 'git://example.org/b' } }) }, /no registry/],
    ['an address further down', { 'node_modules/a': locked({ optionalDependencies: { b: 'https://example.org/b.tgz' } }) }, /no registry/],
    ['a name further down that leads up', { 'node_modules/a': locked({ dependencies: { '../b': '1' } }) }, /no package's name/],
  ])('%s', (_, packages, reason) => {
    expect(() => planDependencies(manifest, lock(packages), nothingCameAlong)).toThrow(reason);
  });

  test.each([[null], [[]], [{}], [{ lockfileVersion: 1, dependencies: {} }], [{ lockfileVersion: '3', packages: {} }], [{ lockfileVersion: 3 }]])(
    'another format: %j',
    (lockfile) => {
      expect(() => planDependencies(manifest, lockfile, nothingCameAlong)).toThrow(/another format/);
    },
  );

  test.each<[string, object, RegExp]>([
    ['a dependency by address', { dependencies: { a: 'https://example.org/a.tgz' } }, /no registry/],
    ['a dependency by folder', { dependencies: { a: 'file:../a' } }, /no registry/],
    ['a dependency by repository', { optionalDependencies: { a: 'someone/a' } }, /no registry/],
    ['a dependency that is no text', { dependencies: { a: 1 } }, /no registry/],
  ])('%s', (_, fields, reason) => {
    expect(() => planDependencies({ ...manifest, ...fields }, lock({}), nothingCameAlong)).toThrow(reason);
  });

  test.each<[string, object, RegExp]>([
    ['workspaces', { workspaces: ['../*'] }, /workspaces/],
    ['a development dependency that npm would clone', { devDependencies: { a: 'git+file:///tmp/a' } }, /no registry/],
    ['an override that leads elsewhere', { overrides: { a: { b: { '.': '1.0.0', c: 'git://example.org/c' } } } }, /no registry/],
  ])('%s', (_, fields, reason) => {
    expect(() => checkManifest({ ...manifest, ...fields })).toThrow(reason);
  });
});

test('overrides, and development in other folders, are taken', () => {
  expect(() =>
    checkManifest({ ...manifest, overrides: { 'a@^1': '1.2.3', b: { '.': '2', '@s/c': '$a' } }, devDependencies: { d: 'file:../d' } }),
  ).not.toThrow();
});
