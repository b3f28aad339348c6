/** Shape of the corpus: one tiny plugin for each real package, and the right answer of its one method. */

export interface Entry {
  /** As `--only` takes it. */
  name: string;
  kind: string;
  /** Installed from the registry, at exactly these versions. */
  packages: Record<string, string>;
  /** The module of the plugin, in JavaScript. Its method `answer` takes no arguments. */
  source: string;
  /** Compared with the answer as JSON. */
  answer: unknown;
  /** Packages that the plugin loads by their names: `chameleon.external`. */
  external?: string[];
  /** More files, which `files` of package.json names. */
  files?: Record<string, string>;
  /** Runs in CI, too. */
  inCi?: boolean;
}

/** Two plugins in one supervisor that need versions of a package which exclude each other. */
export interface Pair {
  name: string;
  plugins: [Entry, Entry];
}

/** `lines` stand above the plugin, `body` is that of its method. */
export function entry(
  kind: string,
  name: string,
  packages: Record<string, string>,
  lines: string,
  body: string,
  answer: unknown,
  more: Pick<Entry, 'external' | 'files' | 'inCi'> = {},
): Entry {
  const source = `${lines}\nexport default { methods: { async answer() {\n${body}\n} } };\n`;
  return { name, kind, packages, source, answer, ...more };
}
