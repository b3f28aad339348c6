import { describe, expect, test } from 'vitest';
import { hashOf, weightOf } from '../../../src/resilience/hash.ts';

const keys = Array.from({ length: 10_000 }, (_, i) => `tenant-${i}`);
const nodeOf = (key: string, nodes: readonly number[]): number =>
  nodes.reduce((best, node) => (weightOf(hashOf(key), node) > weightOf(hashOf(key), best) ? node : best));

describe('rendezvous hashing', () => {
  test.each([2, 3, 4, 16])('shares the keys evenly among %i nodes', (count) => {
    const nodes = Array.from({ length: count }, (_, node) => node);
    const shares = nodes.map((node) => keys.filter((key) => nodeOf(key, nodes) === node).length);
    for (const share of shares) expect(Math.abs(share - keys.length / count)).toBeLessThan((keys.length / count) * 0.15);
  });

  test('moves the keys of a node that leaves, evenly, and no others', () => {
    const all = [0, 1, 2, 3];
    const left = [0, 1, 3];
    const moved = keys.filter((key) => nodeOf(key, all) !== nodeOf(key, left));
    expect(moved).toEqual(keys.filter((key) => nodeOf(key, all) === 2));
    for (const node of left) expect(moved.filter((key) => nodeOf(key, left) === node).length).toBeGreaterThan(moved.length / 4);
  });
});
