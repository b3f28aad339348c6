/**
 * The two streams: data on stdout, narration on stderr. Owns colour, JSON output, and what happens when the reader leaves.
 */
import { once } from 'node:events';
import { styleText } from 'node:util';
import { printable, printableJson, printableLine } from '../util/printable.ts';
import { openTerminal } from '../util/terminal-stream.ts';

/** One style, not a list of them: with a list, Node 20 colours streams that are no terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'reset';

/** Colours on a terminal only; `NO_COLOR` and `FORCE_COLOR` are respected. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

const COLOURS = /\u001b\[[0-9;:]*m/g;

/** Text from outside, made safe for a terminal: colours are left out, all else that a terminal obeys is spelled out. Newlines stay. */
export function plain(text: string): string {
  return printable(text.replace(COLOURS, ''));
}

/** The same where one line is expected: newlines are spelled out too. */
export function plainLine(text: string): string {
  return printableLine(text.replace(COLOURS, ''));
}

/** The same for a text of several lines below a first one: no line of it can be taken for one of ours. */
export function indented(text: string): string {
  return plain(text).replaceAll('\n', '\n  ');
}

/** JSON in which only printable characters stand: the same value for a program, and safe for a person. */
export function jsonLine(value: unknown, indent?: number): string {
  return printableJson(JSON.stringify(value, null, indent) ?? 'null');
}

/** Waits for a slow reader, so that what is written stays bounded. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}

/** Indented for people, one line for programs. */
export function printJson(value: unknown): Promise<void> {
  return print(jsonLine(value, process.stdout.isTTY ? 2 : undefined));
}

/** A line of a supervisor that runs: it waits for nobody who reads it, and nothing depends on it. */
export function announce(text: string): void {
  (openTerminal(1) ?? process.stdout).write(`${text}\n`);
}

export function narrate(text: string): void {
  process.stderr.write(`${text}\n`);
}

/**
 * A reader that leaves early (`| head`) is no error. The commands end quietly; a supervisor (`lives`) goes on without it.
 * Call once; the last word counts.
 */
export function onReaderGone(lives: boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (lives) return;
      if (error.code !== 'EPIPE') {
        process.stderr.write(`error: the output cannot be written: ${error.message}\n`);
        process.exit(1);
      }
      if (stream === process.stdout) process.exit();
    });
  }
}
