/**
 * What a user types for `call`: a reference, arguments as JSON, a time. Owns no rules about names; the supervisor checks those.
 */
import { readFileSync } from 'node:fs';
import { usageError } from './errors.ts';

/** `[JSON-ARGS|@file|-]` as the list of arguments: an array is the list, any other value the one argument. */
export async function parseArguments(given: string | undefined): Promise<unknown[]> {
  if (given === undefined) return [];
  const { text, from } = await textOf(given);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw usageError(`${from} is no JSON: ${(error as Error).message}`, hintFor(given, text));
  }
  return Array.isArray(value) ? (value as unknown[]) : [value];
}

async function textOf(given: string): Promise<{ text: string; from: string }> {
  if (given === '-') return { text: await readAll(process.stdin), from: 'standard input' };
  if (!given.startsWith('@')) return { text: given, from: 'JSON-ARGS' };
  const file = given.slice(1);
  try {
    // Editors on Windows put a byte order mark in front, which JSON does not know.
    return { text: readFileSync(file, 'utf8').replace(/^\u{feff}/u, ''), from: file };
  } catch (error) {
    throw usageError(`cannot read the arguments from ${JSON.stringify(file)}: ${(error as Error).message}`);
  }
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function hintFor(given: string, text: string): string {
  if (given === '-' || given.startsWith('@')) return 'it holds a JSON array, such as ["world", 3]';
  const quoted = JSON.stringify([text]).replaceAll("'", `'\\''`);
  return `quote twice, for JSON and for the shell: '${quoted}'; or read a file with @FILE, standard input with -`;
}

/** `NAME@VERSION` → its parts; a scope's `@` is part of the name. */
export function parseReference(reference: string): { name: string; version?: string } {
  const at = reference.lastIndexOf('@');
  return at <= 0 ? { name: reference } : { name: reference.slice(0, at), version: reference.slice(at + 1) };
}
