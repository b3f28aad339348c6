import { linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FolderLock } from '../../src/state/folder-lock.ts';
import { Memory } from '../../src/state/memory.ts';
import { StateFile, type Memories, type PluginMemory } from '../../src/state/state-file.ts';
import type { Release } from '../../src/catalog/release.ts';
import { rejection } from '../helpers/rejection.ts';
import { IMPOSTORS, putImpostor } from '../helpers/impostors.ts';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'chameleon-test-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const memory = (active: string, more: Partial<PluginMemory> = {}): PluginMemory => ({
  range: '*',
  active,
  previous: null,
  held: null,
  pinned: [],
  failed: [],
  known: [],
  ...more,
});
const memories = (active: string): Memories => new Map([['hello', memory(active)]]);
const path = (name: string): string => join(dir, name);

describe('the state file', () => {
  test('gives back what was saved last, and nothing where nothing was', async () => {
    expect(await new StateFile(dir).recover()).toEqual({ memories: new Map(), damage: null });
    const file = new StateFile(dir);
    await file.save(memories('1.0.0'));
    await file.save(memories('2.0.0'));
    expect(await new StateFile(dir).recover()).toEqual({ memories: memories('2.0.0'), damage: null });
  });

  test('truncated at any byte it is set aside with a message, and the generation before is used', async () => {
    const file = new StateFile(dir);
    await file.save(memories('1.0.0'));
    await file.save(memories('2.0.0'));
    const whole = readFileSync(path('state.json'));
    for (let length = 0; length < whole.length - 1; length++) {
      writeFileSync(path('state.json'), whole.subarray(0, length));
      const { memories: found, damage } = await new StateFile(dir).recover();
      expect(found, `cut after ${length} bytes`).toEqual(memories('1.0.0'));
      expect(damage).toMatch(/state\.json .*set aside as state\.damaged\.json, the generation before it is used/);
      expect(readFileSync(path('state.damaged.json'))).toEqual(whole.subarray(0, length));
    }
  });

  test.each([
    ['no JSON', 'hello'],
    ['another format', '{"format":2,"plugins":{}}'],
    ['a path for a name', '{"format":1,"plugins":{"../x":{}}}'],
    ['a version that is none', JSON.stringify({ format: 1, plugins: { hello: memory('latest') } })],
    ['null', 'null'],
    ['bytes that are no text', '\xff\xfe\x00'],
  ])('%s is set aside, and nothing is remembered', async (_, text) => {
    writeFileSync(path('state.json'), text, 'latin1');
    const { memories: found, damage } = await new StateFile(dir).recover();
    expect(found.size).toBe(0);
    expect(damage).toMatch(/nothing is remembered/);
    expect(readdirSync(dir)).toEqual(['state.damaged.json']);
  });

  test('interrupted between its two renames it is whole', async () => {
    const file = new StateFile(dir);
    await file.save(memories('1.0.0'));
    await file.save(memories('2.0.0'));
    rmSync(path('state.json'));
    expect(await new StateFile(dir).recover()).toEqual({ memories: memories('1.0.0'), damage: null });
  });

  test.each(['state.json', 'state.before.json'])('%s of a gigabyte is set aside with a message', async (name) => {
    await putImpostor('a huge file', path(name));
    const { memories: found, damage } = await new StateFile(dir).recover();
    expect(found.size).toBe(0);
    expect(damage).toMatch(`${path(name)} is larger than 16777216 bytes: it is set aside as`);
    await new StateFile(dir).save(memories('1.0.0'));
    expect(readFileSync(path('state.json'), 'utf8')).toContain('1.0.0');
  });

  describe.each(IMPOSTORS.filter((kind) => kind !== 'a huge file'))('%s', (kind) => {
    test.each(['state.json', 'state.before.json', 'state.json.new', 'state.before.json.new'])(
      'in the place of %s is set aside with a message, before a start and while it runs',
      async (name) => {
        await putImpostor(kind, path(name));
        const messages: string[] = [];
        const file = new StateFile(dir, (message) => messages.push(message));
        const { damage } = await file.recover();
        await file.save(memories('1.0.0'));
        expect([damage ?? '', ...messages].join()).toContain(path(name));
        await file.save(memories('1.0.0'));
        rmSync(path(name), { recursive: true, force: true });
        await putImpostor(kind, path(name));
        await file.save(memories('2.0.0'));
        await file.save(memories('3.0.0'));
        expect((await new StateFile(dir).recover()).memories).toEqual(memories('3.0.0'));
        // What was found is still there, under other names.
        const kept = readdirSync(dir).filter((each) => each.includes('.damaged'));
        expect(kept.length).toBeGreaterThan(1);
        for (const each of ['state.json', 'state.before.json']) expect(lstatSync(path(each)).isFile(), each).toBe(true);
      },
    );
  });

  test('is set aside also where something else has the name for that', async () => {
    mkdirSync(path('state.damaged.json'));
    writeFileSync(path('state.json'), 'hello');
    expect((await new StateFile(dir).recover()).damage).toContain('set aside as state.damaged.json.2');
    expect(readFileSync(path('state.damaged.json.2'), 'utf8')).toBe('hello');
  });

  test('a generation that is kept is not the file that is written next', async () => {
    const file = new StateFile(dir);
    await file.save(memories('1.0.0'));
    // As a process leaves it that is killed between its two renames.
    linkSync(path('state.json'), path('state.before.json'));
    await file.save(memories('2.0.0'));
    await file.save(memories('3.0.0'));
    expect(readFileSync(path('state.before.json'), 'utf8')).toContain('2.0.0');
  });

  test('of many saves at once the last is what is there', async () => {
    const file = new StateFile(dir);
    await Promise.all(Array.from({ length: 50 }, (_, i) => file.save(memories(`1.0.${i}`))));
    expect((await new StateFile(dir).recover()).memories).toEqual(memories('1.0.49'));
    expect(readdirSync(dir)).toEqual(['state.json']);
  });
});

describe('the lock', () => {
  test('is one supervisor at a time, and free again when that has ended', async () => {
    const lock = await FolderLock.take(dir);
    expect(await rejection(FolderLock.take(dir))).toMatchObject({ code: 'ERR_STATE_IN_USE', dir, pid: process.pid });
    await lock.release();
    await (await FolderLock.take(dir)).release();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('of many that try at once one has it', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => FolderLock.take(dir)));
    const taken = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(taken).toHaveLength(1);
    await taken[0]!.release();
  });

  test.each([
    ['nothing', ''],
    ['zeros', '\0'.repeat(60)],
    ['half an owner', '4711'],
    ['no owner', 'hello'],
    ['process 0', '0-1-x'],
    ['a process id that no system has', '99999999999-1-x'],
    ['a long text', 'x'.repeat(1_000)],
  ])('that holds %s is nobody’s, however many find it', async (_, text) => {
    writeFileSync(path('supervisor.lock'), text);
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => FolderLock.take(dir)));
    const taken = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(taken).toHaveLength(1);
    for (const each of tries) if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'ERR_STATE_IN_USE', pid: process.pid });
    await taken[0]!.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  test.each(IMPOSTORS)('%s in its place is set aside with a message, however many find it', async (kind) => {
    await putImpostor(kind, path('supervisor.lock'));
    const messages: string[] = [];
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => FolderLock.take(dir, (message) => messages.push(message))));
    const taken = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(taken).toHaveLength(1);
    expect(messages).toEqual([expect.stringContaining('set aside as supervisor.lock.damaged')]);
    expect(await rejection(FolderLock.take(dir))).toMatchObject({ code: 'ERR_STATE_IN_USE' });
    await taken[0]!.release();
    expect(readdirSync(dir)).toEqual(['supervisor.lock.damaged']);
  });

  // Elsewhere a process has no start time that can be read, so our own pid would seem to live.
  test.runIf(process.platform === 'linux')('that a dead process left is nobody’s, however many find it', async () => {
    // Our own pid with another start time: a process that was there before us.
    writeFileSync(path('supervisor.lock'), `${process.pid}-1-dead`);
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => FolderLock.take(dir)));
    const taken = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(taken).toHaveLength(1);
    await taken[0]!.release();
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('what is to be active', () => {
  const releases = (...versions: string[]): Release[] => versions.map((version) => ({ name: 'hello', version, dir: `/p/${version}` }) as Release);
  const choose = (remembered: PluginMemory | null, installed: Release[], range = '*'): string | undefined =>
    new Memory(new Map(remembered === null ? [] : [['hello', remembered]]), null, () => {}).choose('hello', installed, range)?.version;

  test.each<[string, PluginMemory | null, string[], string, string | undefined]>([
    ['the highest, when nothing is remembered', null, ['1.0.0', '2.0.0', '3.0.0-beta'], '*', '2.0.0'],
    ['what was active, though a higher version was there', memory('1.0.0', { known: ['1.0.0', '2.0.0'] }), ['1.0.0', '2.0.0'], '*', '1.0.0'],
    ['a higher version that has come since', memory('1.0.0', { known: ['1.0.0'] }), ['1.0.0', '2.0.0'], '*', '2.0.0'],
    ['no version that has failed', memory('1.0.0', { failed: ['2.0.0'] }), ['1.0.0', '2.0.0'], '*', '1.0.0'],
    ['one that has failed, when there is no other', memory('1.0.0', { failed: ['2.0.0'] }), ['2.0.0'], '*', '2.0.0'],
    ['what the configuration says now', memory('1.0.0', { range: '^1', known: ['1.0.0', '2.0.0'] }), ['1.0.0', '2.0.0'], '*', '2.0.0'],
    ['nothing outside of the range', memory('2.0.0', { range: '^1' }), ['1.0.0', '2.0.0'], '^1', '1.0.0'],
    ['the highest, when what was active is gone', memory('1.5.0', { known: ['1.0.0', '1.5.0'] }), ['1.0.0'], '*', '1.0.0'],
    ['a pre-release that an operator chose', memory('2.0.0-rc.1', { known: ['1.0.0', '2.0.0-rc.1'] }), ['1.0.0', '2.0.0-rc.1'], '*', '2.0.0-rc.1'],
    ['nothing, where nothing is in the range', null, ['1.0.0'], '^2', undefined],
  ])('is %s', (_, remembered, installed, range, expected) => {
    expect(choose(remembered, releases(...installed), range)).toBe(expected);
  });
});
