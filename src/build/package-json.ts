/** The package.json of a built plugin: what the supervisor and npm need, in one order, whatever order the author's has. */
import { bundlePath, type Project } from './project.ts';

/** Kept as the author has them, where they are there. */
const KEPT = ['description', 'keywords', 'license', 'author', 'homepage', 'repository', 'engines', 'os', 'cpu'];

export interface Built {
  /** What the plugin has; null as long as nobody has asked it. */
  methods: readonly string[] | null;
  /** Packages that stay outside, each with its version. */
  dependencies?: Readonly<Record<string, string>>;
  /** The file with the types of the plugin's clients. */
  types?: string;
  /** The module that is the plugin. Default: the bundle. */
  main?: string;
}

export function builtManifest({ manifest, json, source }: Project, { methods, dependencies = {}, types, main }: Built): string {
  // A supervisor has no use for `external`, and those before 1.1 refuse what they do not know.
  const { external: _, ...block } = (json.chameleon ?? {}) as Record<string, unknown>;
  const declared = (name: string): object => (Object.hasOwn(manifest.methods, name) ? manifest.methods[name]! : {});
  const chameleon = { ...block, ...(methods === null ? {} : { methods: Object.fromEntries(methods.map((name) => [name, declared(name)])) }) };
  const fields = {
    name: manifest.name,
    version: manifest.version,
    ...Object.fromEntries(KEPT.filter((field) => json[field] !== undefined).map((field) => [field, json[field]])),
    ...(source === null ? { type: json.type } : { type: 'module', main: main ?? bundlePath(source) }),
    ...(types === undefined ? {} : { types }),
    ...(Object.keys(chameleon).length === 0 ? {} : { chameleon }),
    ...(Object.keys(dependencies).length === 0 ? {} : { dependencies }),
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}
