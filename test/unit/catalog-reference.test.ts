import { describe, expect, test } from 'vitest';
import { highestSatisfying, parseReference } from '../../src/catalog/reference.ts';
import { PluginNotFoundError, VersionNotFoundError } from '../../src/errors.ts';

const versions = (...all: string[]) => all.map((version) => ({ version }));

describe('references', () => {
  test.each([
    ['hello', 'hello', null],
    ['hello@^1', 'hello', '^1'],
    ['hello@1.2.3-rc.1', 'hello', '1.2.3-rc.1'],
    ['@scope/name', '@scope/name', null],
    ['@scope/name@1.x', '@scope/name', '1.x'],
    ['hello@>=1 <2 || 3', 'hello', '>=1 <2 || 3'],
  ])('%s is a name and a range', (reference, name, range) => {
    expect(parseReference(reference)).toEqual({ name, range });
  });

  test('what is no name is a plugin that does not exist, what is no range a version that does not', () => {
    for (const reference of ['', '@', '../x', 'Hello', '@scope', 'a/../b@1']) expect(() => parseReference(reference)).toThrow(PluginNotFoundError);
    for (const reference of ['hello@', 'hello@latest', 'hello@1@2', 'hello@1.0.0/../..'])
      expect(() => parseReference(reference)).toThrow(VersionNotFoundError);
  });

  test('a caller without types gets a typed error too', () => {
    for (const reference of [undefined, null, 1, {}, [], Symbol('s')]) expect(() => parseReference(reference as string)).toThrow(PluginNotFoundError);
  });
});

describe('the version that is meant', () => {
  test('the highest in the range, by number and not by letter', () => {
    expect(highestSatisfying(versions('1.9.0', '1.10.0', '2.0.0'), '^1')?.version).toBe('1.10.0');
    expect(highestSatisfying(versions('1.0.0'), '^2')).toBeUndefined();
    expect(highestSatisfying([], '*')).toBeUndefined();
  });

  test('a pre-release is never chosen by a range that names none', () => {
    expect(highestSatisfying(versions('1.0.0', '2.0.0-rc.1'), '*')?.version).toBe('1.0.0');
    expect(highestSatisfying(versions('2.0.0-rc.1'), '>=1')).toBeUndefined();
  });

  test('a range that names a pre-release gets it, until the stable version is there', () => {
    expect(highestSatisfying(versions('1.0.0', '2.0.0-rc.1', '2.0.0-rc.2'), '^2.0.0-rc.1')?.version).toBe('2.0.0-rc.2');
    expect(highestSatisfying(versions('2.0.0-rc.2', '2.0.0'), '^2.0.0-rc.1')?.version).toBe('2.0.0');
  });
});
