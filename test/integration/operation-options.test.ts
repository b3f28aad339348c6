/** Options of single operations are as strict as those of the supervisor: a mistake is told, and nothing is done. */
import { describe, expect, test } from 'vitest';
import { type ConfigInvalidError, installPlugin, prunePlugins, type Supervisor, uninstallPlugin, verifyPlugins } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

interface Operation {
  run(supervisor: Supervisor, options: object): Promise<unknown>;
  /** Misspelt options, and the message of each. */
  wrong: readonly (readonly [options: unknown, path: string, message: string | RegExp])[];
}

const meant = (name: string): string => `unknown key, did you mean "${name}"?`;

const OPERATIONS: Record<string, Operation> = {
  call: {
    run: (supervisor, options) => supervisor.call('polite', 'echo', [1], options),
    wrong: [
      [{ timeout: 100 }, 'timeout', meant('timeoutMs')],
      [{ timeoutMS: 100 }, 'timeoutMS', meant('timeoutMs')],
      [{ abortSignal: AbortSignal.abort() }, 'abortSignal', /^unknown key, known are timeoutMs, signal, key, traceparent$/],
      [{ timeoutMs: '100' }, 'timeoutMs', /^expected a whole number of milliseconds/],
      [{ timeoutMs: null }, 'timeoutMs', /^expected a whole number of milliseconds/],
      [{ signal: 5 }, 'signal', 'expected an AbortSignal'],
      [{ signal: new AbortController() }, 'signal', 'expected an AbortSignal'],
      [{ key: 7 }, 'key', /^expected a string/],
      [{ traceparent: {} }, 'traceparent', /^expected a string/],
      [100, '', /^expected a plain object/],
      [null, '', /^expected a plain object/],
      [[], '', /^expected a plain object/],
    ],
  },
  'call of a client': {
    run: (supervisor, options) => supervisor.plugin<{ echo(value: number): number }>('polite', options).echo(1),
    wrong: [[{ timeout: 100 }, 'timeout', meant('timeoutMs')]],
  },
  reload: { run: (supervisor, options) => supervisor.reload('polite', options), wrong: [[{ forced: true }, 'forced', meant('force')]] },
  unload: {
    run: (supervisor, options) => supervisor.unload('polite', options),
    wrong: [
      [{ versions: '1.0.0' }, 'versions', meant('version')],
      [{ version: 1 }, 'version', /^expected a string/],
    ],
  },
  install: {
    run: (supervisor, options) => supervisor.install('nowhere', options),
    wrong: [
      [{ allowScript: [] }, 'allowScript', meant('allowScripts')],
      [{ allowScripts: 'sharp' }, 'allowScripts', /^expected an array/],
      [{ onProgress: 1 }, 'onProgress', 'expected a function'],
    ],
  },
  close: {
    run: (supervisor, options) => supervisor.close(options),
    wrong: [
      [{ drainTimeout: 1 }, 'drainTimeout', meant('drainTimeoutMs')],
      [{ drainTimeoutMs: -1 }, 'drainTimeoutMs', /^expected a whole number of milliseconds/],
    ],
  },
};

describe('a mistake in the options of', () => {
  for (const [name, { run, wrong }] of Object.entries(OPERATIONS)) {
    test(`a ${name} is told with its path, and nothing is done`, async () => {
      const { supervisor, events } = await supervise.fixture('polite');
      const before = events.length;
      for (const [options, path, message] of wrong) {
        const error = await rejection<ConfigInvalidError>(run(supervisor, options as object));
        expect(error.code).toBe('ERR_CONFIG_INVALID');
        expect(error.issues).toEqual([{ path, message: typeof message === 'string' ? message : expect.stringMatching(message) }]);
      }
      expect(await supervisor.call('polite', 'echo', [2], { timeoutMs: 10_000, signal: undefined, key: 'a', traceparent: undefined })).toBe(2);
      expect(events).toHaveLength(before);
      expect(supervisor.status('polite').inFlight).toBe(0);
    });
  }
});

describe('a mistake in the options of the function', () => {
  const pluginDir = '/nowhere';
  const FUNCTIONS: Record<
    string,
    { run(options: never): Promise<unknown>; wrong: readonly (readonly [options: object, path: string, message: string])[] }
  > = {
    installPlugin: {
      run: (options) => installPlugin('nowhere', options),
      wrong: [
        [{ pluginDir, allowScript: [] }, 'allowScript', meant('allowScripts')],
        [{ allowScripts: [] }, 'pluginDir', 'is not set; installing needs a folder to install into'],
      ],
    },
    uninstallPlugin: {
      run: (options) => uninstallPlugin('polite', '1.0.0', options),
      wrong: [
        [{ pluginDir, inuse: [] }, 'inuse', meant('inUse')],
        [{}, 'pluginDir', 'is not set: expected the folder of the plugins'],
      ],
    },
    prunePlugins: {
      run: (options) => prunePlugins(options),
      wrong: [
        [{ pluginDir, keep: 1, inuse: [] }, 'inuse', meant('inUse')],
        [{ pluginDir, keep: 0 }, 'keep', 'expected a whole number from 1'],
        [{ pluginDir }, 'keep', 'expected a whole number from 1'],
        [{ pluginDir, keep: 1, ranges: ['*'] }, 'ranges', 'expected a function'],
      ],
    },
    verifyPlugins: {
      run: (options) => verifyPlugins(options),
      wrong: [
        [{ pluginDir, plugin: 'polite' }, 'plugin', 'unknown key, known are pluginDir, name, version'],
        [{ pluginDir: '' }, 'pluginDir', 'is not set: expected the folder of the plugins'],
      ],
    },
  };

  for (const [name, { run, wrong }] of Object.entries(FUNCTIONS)) {
    test(`${name} is told with its path`, async () => {
      for (const [options, path, message] of wrong) {
        const error = await rejection<ConfigInvalidError>(run(options as never));
        expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', issues: [{ path, message }] });
      }
    });
  }
});
