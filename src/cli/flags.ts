/** The flags that several commands share. Each is also an environment variable, which the flag overrides. */
import { InvalidArgumentError, Option, type Command } from 'commander';

const OFF = ['', '0', 'false', 'no'];

/** A switch: `CHAMELEON_JSON=1` sets it, `CHAMELEON_JSON=0` does not. */
export function toggle(flags: string, description: string): Option {
  const option = new Option(flags, description);
  const variable = variableOf(option);
  // commander takes any value, an empty one too, for "on".
  return OFF.includes((process.env[variable] ?? '').toLowerCase()) ? option : option.env(variable);
}

/** A flag with a value, `CHAMELEON_PLUGIN_DIR` for `--plugin-dir`. */
export function value(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.env(variableOf(option));
}

function variableOf(option: Option): string {
  return `CHAMELEON_${option.name().toUpperCase().replaceAll('-', '_')}`;
}

export function milliseconds(given: string): number {
  const ms = Number(given);
  // A longer timer of Node's fires at once.
  if (!/^[0-9]+$/.test(given) || ms < 1 || ms > 2 ** 31 - 1)
    throw new InvalidArgumentError('A whole number of milliseconds is expected, from 1 to 2147483647.');
  return ms;
}

/** True for the usual one. */
export function port(given: string): number | true {
  if (given === '') return true;
  const number = Number(given);
  if (!/^[0-9]+$/.test(given) || number > 65_535) throw new InvalidArgumentError('A port is expected, from 0 to 65535; 0 takes a free one.');
  return number;
}

export function countFrom1(given: string): number {
  const count = Number(given);
  if (!/^[0-9]+$/.test(given) || count < 1 || !Number.isSafeInteger(count)) throw new InvalidArgumentError('A whole number from 1 is expected.');
  return count;
}

export function withJson(command: Command): Command {
  return command.addOption(toggle('--json', 'print JSON, errors too (those on stderr)'));
}

export function withConfig(command: Command): Command {
  return command.addOption(value('--config <file>', 'configuration file; default: chameleon.config.{ts,mjs,js,json}, searched upwards'));
}

export function withSocket(command: Command): Command {
  return command.addOption(value('--socket <path>', 'control socket; default: one for each configuration folder'));
}

/** Of every command that talks to a running supervisor. */
export function client(command: Command, examples: readonly string[]): Command {
  return withExamples(withJson(withConfig(withSocket(command))), examples);
}

export function withExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ chameleon-supervisor ${example}`).join('\n')}`);
}
