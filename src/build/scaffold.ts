/** A new plugin: the files of the smallest one that does its author credit. Pure; writes nothing. */
import { NAME_RULE, isPluginName, shown } from '../util/naming.ts';

export type Language = 'ts' | 'js';

/** Why a plugin cannot be called so; null when it can. */
export function refuseName(name: string): string | null {
  return isPluginName(name) ? null : `expected ${NAME_RULE}, got ${shown(name)}`;
}

/** By their paths. `version` is that of this package, which the plugin is made for. */
export function scaffold(name: string, language: Language, version: string): Record<string, string> {
  const entry = `index.${language}`;
  const typed = language === 'ts';
  const major = version.split('.')[0];
  const manifest = {
    name,
    version: '0.1.0',
    description: 'A plugin for Chameleon.',
    private: true,
    type: 'module',
    main: entry,
    engines: { chameleon: `^${major}.0.0`, node: '>=20.19' },
    scripts: {
      dev: 'chameleon-supervisor dev .',
      build: 'chameleon-supervisor build .',
      ...(typed ? { typecheck: 'tsc' } : {}),
      test: 'node --test',
    },
    devDependencies: {
      ...(typed ? { '@types/node': '^20.19.0' } : {}),
      'chameleon-supervisor': `^${version}`,
      ...(typed ? { typescript: '^7.0.0' } : {}),
    },
  };
  return {
    'package.json': json(manifest),
    [entry]: ENTRY.replace('(name)', typed ? '(name: string)' : '(/** @type {string} */ name)'),
    'index.test.js': TEST,
    ...(typed ? { 'tsconfig.json': json(TSCONFIG) } : {}),
    '.gitignore': 'node_modules/\n.chameleon/\n*.tgz\n',
    'README.md': readme(name, entry),
  };
}

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

const ENTRY = `import { definePlugin, method } from 'chameleon-supervisor/plugin';

export default definePlugin({
  methods: {
    greet: method({ idempotent: true, timeoutMs: 5_000 }, function (name) {
      this.log.info('greeting', { name });
      return \`Hello, \${name}!\`;
    }),
  },
});
`;

const TEST = `import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPlugin } from 'chameleon-supervisor/testing';

let plugin;
before(async () => {
  plugin = await startPlugin(import.meta.dirname); // in a process of its own, as a supervisor runs it
});
after(() => plugin?.close());

test('greets by name', async () => {
  assert.equal(await plugin.call('greet', 'world'), 'Hello, world!');
});
`;

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noEmit: true,
    verbatimModuleSyntax: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
  },
  include: ['**/*.ts'],
};

const readme = (name: string, entry: string): string => `# ${name}

A plugin for Chameleon (\`chameleon-supervisor\`). Its methods are in \`${entry}\`.

\`\`\`sh
npm install
npm test           # runs it in a process of its own
npm run dev        # runs it, and replaces it whenever a file is saved; from a second terminal:
npx chameleon-supervisor call ${name} greet '"world"'
npm run build      # packs it; \`chameleon-supervisor install FILE.tgz\` puts it where a host runs it
\`\`\`
`;
