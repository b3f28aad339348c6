/**
 * An error as a person reads it: the message, then the facts that help to mend it. Everything in it may come from a plugin.
 */
import type { ErrorFacts } from '../errors.ts';
import { indented, jsonLine, narrate, paint, plainLine } from '../terminal.ts';
import { nearest } from './nearest.ts';

/** On stderr; with `json`, as one line of JSON. */
export function reportError(facts: ErrorFacts, json: boolean): void {
  narrate(json ? jsonLine({ error: facts }) : describeError(facts));
}

export function describeError(facts: ErrorFacts): string {
  const message = indented(facts.message);
  const lines = [`${paint('red', 'error:', process.stderr)} ${message}`];
  for (const help of [...helpOf(facts)].map(indented)) if (!message.includes(help)) lines.push(`  ${help}`);
  lines.push(paint('dim', `  code ${plainLine(facts.code)}`, process.stderr));
  return lines.join('\n');
}

function* helpOf(facts: ErrorFacts): Generator<string> {
  const { hint, available, method, plugin, remote, exit, stack, cause } = facts;
  if (Array.isArray(available)) {
    const meant = method ?? plugin;
    const near = typeof meant === 'string' ? nearest(meant, available.map(String)) : null;
    if (near !== null) yield `did you mean ${near}?`;
  }
  if (typeof hint === 'string') yield hint;
  if (typeof facts.retryAfterMs === 'number' && facts.retryAfterMs > 0) yield `try again in ${facts.retryAfterMs} ms`;
  const thrown = remote as { stack?: unknown } | undefined;
  if (typeof thrown?.stack === 'string') yield thrown.stack;
  const under = cause as { stack?: unknown } | undefined;
  if (thrown === undefined && typeof under?.stack === 'string') yield under.stack;
  const ended = exit as { stderrTail?: unknown } | null | undefined;
  const tail = facts.stderrTail ?? ended?.stderrTail;
  // An error of starting has its tail in the message.
  if (typeof tail === 'string' && tail.trim() !== '' && !facts.message.includes('last output:'))
    yield `last output of the plugin:\n${tail.trimEnd()}`;
  if (typeof stack === 'string') yield stack;
}
