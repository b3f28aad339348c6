/** A table by id is what a Map would be, whatever comes in which order. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IdTable } from '../../src/protocol/id-table.ts';

interface Item {
  id: number;
  name: string;
}

const ids = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  // As when sixty-four plugins are called in turns.
  fc.integer({ min: 0, max: 40 }).map((n) => 2 ** 30 + 64 * n),
  fc.integer({ min: 2 ** 30, max: 2 ** 53 - 1 }),
);
const steps = fc.array(fc.record({ id: ids, adds: fc.boolean(), name: fc.string({ maxLength: 3 }) }), { maxLength: 300 });

describe('a table by id', () => {
  test('holds what a Map would, in the order of the ids', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const table = new IdTable<Item>();
        const map = new Map<number, Item>();
        for (const { id, adds, name } of taken) {
          if (adds) {
            table.add({ id, name });
            map.set(id, { id, name });
          } else expect(table.delete(id)).toBe(map.delete(id));
          expect(table.size).toBe(map.size);
        }
        expect(table.values()).toEqual([...map.values()].toSorted((a, b) => a.id - b.id));
        for (const { id } of taken) expect(table.get(id)).toEqual(map.get(id) ?? null);
      }),
    );
  });

  test('has nothing under what is no id of anything', () => {
    const table = new IdTable<Item>();
    table.add({ id: 1, name: 'one' });
    for (const id of [NaN, 1.5, -1, Infinity, 2 ** 32 + 1]) expect([table.get(id), table.delete(id)]).toEqual([null, false]);
  });

  test('can be emptied', () => {
    const table = new IdTable<Item>();
    for (let id = 0; id < 1_000; id++) table.add({ id, name: '' });
    table.clear();
    expect([table.size, table.values(), table.get(7)]).toEqual([0, [], null]);
  });
});
