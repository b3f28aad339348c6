/**
 * What a user types for `call`: a reference, arguments as JSON, a time. Owns no rules about names; the supervisor checks those.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { sealBytes } from './control/bytes.ts';
import { MAX_REQUEST_BYTES } from './control/protocol.ts';
import { CliError, usageError } from './errors.ts';

/**
 * `[JSON-ARGS|@file|-]` as the list of arguments: an array is the list, any other value the one argument. A file that holds no JSON is
 * one argument of bytes, and so is standard input that holds no text. `{"$file":"PATH"}` in JSON-ARGS stands for the bytes of a file.
 */
export async function parseArguments(given: string | undefined): Promise<unknown[]> {
  if (given === undefined) return [];
  const { bytes, from } = await bytesOf(given);
  // Editors on Windows put a byte order mark in front, which JSON does not know.
  const text = isUtf8(bytes) ? bytes.toString('utf8').replace(/^\u{feff}/u, '') : null;
  let value: unknown;
  try {
    if (text !== null) value = JSON.parse(text);
  } catch (error) {
    if (!given.startsWith('@') || given.endsWith('.json')) throw usageError(`${from} is no JSON: ${(error as Error).message}`, hintFor(given, text!));
  }
  if (value === undefined) return [sealBytes(bytes)];
  const args = Array.isArray(value) ? (value as unknown[]) : [value];
  return isInline(given) ? Promise.all(args.map(withFile)) : args;
}

const isInline = (given: string): boolean => given !== '-' && !given.startsWith('@');

async function bytesOf(given: string): Promise<{ bytes: Buffer; from: string }> {
  if (given === '-') return { bytes: await readAll(process.stdin, 'standard input'), from: 'standard input' };
  if (isInline(given)) return { bytes: Buffer.from(given), from: 'JSON-ARGS' };
  return { bytes: await readFile(given.slice(1)), from: given.slice(1) };
}

/** A pipe is read too, as in `call hello greet @<(make-arguments)`, and none of them beyond what a request may take. */
async function readFile(file: string): Promise<Buffer> {
  try {
    return await readAll(createReadStream(file), file);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw usageError(`cannot read the arguments from ${JSON.stringify(file)}: ${(error as Error).message}`);
  }
}

async function withFile(argument: unknown): Promise<unknown> {
  if (typeof argument !== 'object' || argument === null || Object.keys(argument).length !== 1) return argument;
  const { $file: file } = argument as { $file?: unknown };
  return typeof file === 'string' ? sealBytes(await readFile(file)) : argument;
}

async function readAll(stream: NodeJS.ReadableStream, from: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > MAX_REQUEST_BYTES) throw usageError(`${from} holds more than ${MAX_REQUEST_BYTES} bytes, which is as much as a request may take`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks);
}

function hintFor(given: string, text: string): string {
  if (!isInline(given)) return 'it holds a JSON array, such as ["world", 3]';
  const quoted = JSON.stringify([text]).replaceAll("'", `'\\''`);
  return `quote twice, for JSON and for the shell: '${quoted}'; or read a file with @FILE, standard input with -`;
}

/** `NAME@VERSION` → its parts; a scope's `@` is part of the name. */
export function parseReference(reference: string): { name: string; version?: string } {
  const at = reference.lastIndexOf('@');
  return at <= 0 ? { name: reference } : { name: reference.slice(0, at), version: reference.slice(at + 1) };
}
