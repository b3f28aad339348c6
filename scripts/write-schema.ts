/**
 * Writes the JSON Schema of the configuration file, `dist/config.schema.json`, from the schema that validates it.
 * The descriptions are the docstrings of src/types.ts, so that they are written once.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { configSchema } from '../src/options-schema.ts';

const target = fileURLToPath(new URL('../dist/config.schema.json', import.meta.url));
const types = readFileSync(new URL('../src/types.ts', import.meta.url), 'utf8');

type Node = z.core.JSONSchema.JSONSchema;
const groups = { breaker: 'BreakerOptions', retry: 'RetryOptions', restart: 'RestartOptions', liveness: 'LivenessOptions' };

/** Field → docstring, of one interface in src/types.ts. */
function docs(name: string): Map<string, string> {
  const body = new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(types)?.[1];
  if (body === undefined) throw new Error(`src/types.ts has no interface ${name}`);
  return new Map(Array.from(body.matchAll(/\/\*\* (.*?) \*\/\n {2}(\w+)\?/g), ([, text, field]) => [field!, text!]));
}

function describe(node: Node, name: string): void {
  const described = docs(name);
  for (const [field, property] of Object.entries(node.properties ?? {})) {
    if (typeof property === 'boolean') continue;
    const text = described.get(field);
    if (text !== undefined) property.description = text.replaceAll('`', '');
    if (Object.hasOwn(groups, field)) describe(property, groups[field as keyof typeof groups]);
  }
}

const schema = z.toJSONSchema(configSchema, { io: 'input' });
const { defaults, plugins } = schema.properties as Record<string, Node>;
schema.title = 'Configuration of chameleon-supervisor';
describe(schema, 'SupervisorOptions');
describe(defaults!, 'PluginOptions');
describe(plugins!.additionalProperties as Node, 'PluginOptions');
schema.properties!['$schema'] = { type: 'string', description: 'Where this schema is, for editors.' };

mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, `${JSON.stringify(schema, null, 2)}\n`);
