/**
 * The commands, their arguments and help. What a command does is in commands/, loaded when it is run, so that help is fast.
 */
import { Command, CommanderError, type Option } from 'commander';
import { addChanging } from './changing.ts';
import type { BuildFlags } from './commands/build.ts';
import type { CallFlags } from './commands/call.ts';
import type { DevFlags } from './commands/dev.ts';
import type { InitFlags } from './commands/init.ts';
import type { InstallFlags } from './commands/install.ts';
import type { LogFlags } from './commands/logs.ts';
import type { PruneFlags } from './commands/prune.ts';
import type { StartFlags } from './commands/start.ts';
import type { RemoveFlags } from './commands/uninstall.ts';
import type { ValidateFlags } from './commands/validate.ts';
import type { ConfigurationFlags } from './configuration.ts';
import type { ClientFlags, CommonFlags } from './context.ts';
import { Exit, exitCodeOf, factsOf } from './errors.ts';
import { client, countFrom1, milliseconds, port, toggle, value, withConfig, withExamples, withJson, withSocket } from './flags.ts';
import { reportError } from './render/error.ts';

type Done = (exitCode: number | void) => void;

/** Runs one command line, without the program's name; answers with its exit code and never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json') || toggle('--json', '').envVar !== undefined;
  let exitCode: number = Exit.done;
  try {
    const done: Done = (code) => (exitCode = code ?? Exit.done);
    // commander would take the folder behind it for the port.
    const hasNoPort = (word: string, at: number): boolean => /^--inspect(?:-brk)?$/.test(word) && !/^[0-9]+$/.test(argv[at + 1] ?? '');
    const words = argv.map((word, at) => (argv[0] === 'dev' && hasNoPort(word, at) ? `${word}=` : word));
    await program(await versionFor(argv), json, done).parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      const facts = factsOf(error);
      reportError(facts, json);
      return exitCodeOf(facts.code);
    }
    // commander has printed help, the version or its complaint already, unless that had to be JSON.
    if (error.exitCode === 0) return Exit.done;
    if (json) reportError({ code: 'ERR_USAGE', message: error.message.replace(/^error: /, '') }, true);
    return Exit.usage;
  }
}

/** The library is loaded for its version only when that is asked for. */
async function versionFor([first]: readonly string[]): Promise<string> {
  return first === '--version' || first === '-V' ? (await import('../index.ts')).VERSION : '';
}

function program(version: string, json: boolean, done: Done): Command {
  // Settings that the commands inherit stand before them.
  const root = new Command('chameleon-supervisor')
    .description('Runs plugins, each version in a process of its own.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(--help shows the usage)')
    .configureOutput(json ? { writeErr: () => {} } : {});
  withExamples(root, ['start', 'status', `call hello greet '["world"]'`, 'reload hello']);
  addRunning(root, done);
  addAsking(root, done);
  addChanging(root, done);
  addInstalling(root, done);
  addAuthoring(root, done);
  return root;
}

const level = (): Option => value('--log-level <level>', 'the least severe level that is logged').choices(['error', 'warn', 'info', 'debug']);

function addRunning(root: Command, done: Done): void {
  const dir = () => value('--plugin-dir <dir>', 'folder of the plugins; default: plugins, beside the configuration');
  const start = root
    .command('start')
    .description('run a supervisor in the foreground; SIGTERM or Ctrl-C drains and stops it, SIGHUP re-reads the configuration');
  const watch = toggle('--watch', 'roll out versions that are put into the plugin folder, and leave those that are taken away');
  withExamples(withJson(withSocket(withConfig(start)).addOption(dir()).addOption(level()).addOption(watch)), [
    'start',
    'start --plugin-dir ./plugins --log-level debug',
    'start --watch',
  ]).action(async (flags: StartFlags) => done(await (await import('./commands/start.ts')).start(flags)));
  const validate = root.command('validate').description('check the configuration and the plugins as start would find them');
  const once = toggle('--start', 'start each version once, alone, that start would start');
  withExamples(withJson(withConfig(validate).addOption(dir()).addOption(once)), ['validate', 'validate --start --json']).action(
    async (flags: ValidateFlags) => done(await (await import('./commands/validate.ts')).validate(flags)),
  );
}

function addAsking(root: Command, done: Done): void {
  const status = root.command('status').description('show what runs').argument('[name]', 'one plugin');
  client(status, ['status', 'status hello --json']).action(async (name: string | undefined, flags: ClientFlags) =>
    done(await (await import('./commands/status.ts')).status(name, flags)),
  );
  const call = root
    .command('call')
    .description('call a method and print its result')
    .argument('<plugin>', 'name, or name@range for another version than the active one')
    .argument('<method>', 'method of the plugin')
    .argument(
      '[json-args]',
      'array of arguments, or any other JSON value as the one argument; @file reads JSON or bytes from a file, - from standard input',
    )
    .addOption(value('--timeout <ms>', "deadline; default: the method's").argParser(milliseconds))
    .addOption(value('--out <file>', 'write the result there: bytes and text as they are, else JSON; - is standard output'));
  client(call, [
    `call hello greet '["world"]'`,
    `call hello@^1 greet '"world"' --timeout 500`,
    'call wordcount count @arguments.json',
    `call hello greet - < arguments.json`,
    'call thumbnail make @photo.jpg --out small.jpg',
    `call thumbnail make '[{"$file":"photo.jpg"},100]' --out small.jpg`,
  ]).action(async (plugin: string, method: string, args: string | undefined, flags: CallFlags) =>
    done(await (await import('./commands/call.ts')).call(plugin, method, args, flags)),
  );
  const methods = root.command('methods').description('list the methods of a plugin').argument('<name>', 'name, or name@range');
  client(methods, ['methods hello']).action(async (name: string, flags: ClientFlags) =>
    done(await (await import('./commands/methods.ts')).methods(name, flags)),
  );
  const metrics = root.command('metrics').description('show calls, failures and times').argument('[name]', 'one plugin');
  client(metrics, ['metrics', 'metrics hello --json']).action(async (name: string | undefined, flags: ClientFlags) =>
    done(await (await import('./commands/metrics.ts')).metrics(name, flags)),
  );
  const logs = root.command('logs').description('print the latest log records').argument('[name]', 'one plugin');
  client(logs.addOption(toggle('-f, --follow', 'go on with what comes')), ['logs', 'logs hello -f']).action(
    async (name: string | undefined, flags: LogFlags) => done(await (await import('./commands/logs.ts')).logs(name, flags)),
  );
}

function addInstalling(root: Command, done: Done): void {
  const dir = () => value('--plugin-dir <dir>', 'folder of the plugins; default: plugins, beside the configuration');
  const install = root
    .command('install')
    .description('put a version into the plugin folder, with its dependencies; a running supervisor takes it up by `load`')
    .argument('<source>', 'folder, .tgz, or NAME@VERSION of the registry that npm is set to')
    .addOption(dir())
    .addOption(value('--allow-scripts <names>', 'packages, with commas, whose install scripts may run').argParser((names) => names.split(',')));
  withExamples(withJson(withConfig(install)), [
    'install ./hello',
    'install hello-1.0.0.tgz',
    'install @acme/hello@1.0.0 --allow-scripts sharp',
  ]).action(async (source: string, flags: InstallFlags) => done(await (await import('./commands/install.ts')).install(source, flags)));
  const uninstall = root.command('uninstall').description('remove a version that does not run').argument('<name@version>').addOption(dir());
  client(uninstall, ['uninstall hello@1.0.0']).action(async (reference: string, flags: RemoveFlags) =>
    done(await (await import('./commands/uninstall.ts')).uninstall(reference, flags)),
  );
  const prune = root
    .command('prune')
    .description('remove old versions; those that run or that the configuration asks for stay')
    .argument('[name]', 'one plugin')
    .addOption(dir())
    .addOption(value('--keep <n>', 'how many versions of each plugin stay').argParser(countFrom1).makeOptionMandatory());
  client(prune, ['prune --keep 3', 'prune --keep 1 hello']).action(async (name: string | undefined, flags: PruneFlags) =>
    done(await (await import('./commands/prune.ts')).prune(name, flags)),
  );
  const verify = root
    .command('verify')
    .description('compare every file of what was installed with what it was then')
    .argument('[name[@version]]', 'one plugin, or one version')
    .addOption(dir());
  withExamples(withJson(withConfig(verify)), ['verify', 'verify hello@1.0.0 --json']).action(
    async (reference: string | undefined, flags: ConfigurationFlags & CommonFlags) =>
      done(await (await import('./commands/verify.ts')).verify(reference, flags)),
  );
}

function addAuthoring(root: Command, done: Done): void {
  const init = root
    .command('init')
    .description('make a new plugin, with a test that runs it')
    .argument('<dir>', 'folder that is new or empty')
    .option('--name <name>', 'name of the plugin, such as @acme/hello; default: that of the folder, with its scope')
    .option('--ts', 'in TypeScript (default)')
    .option('--js', 'in JavaScript');
  withExamples(withJson(init), ['init hello', 'init @acme/hello', 'init ./here --name @acme/hello --js']).action(
    async (dir: string, flags: InitFlags) => done(await (await import('./commands/init.ts')).init(dir, flags)),
  );
  const dev = root
    .command('dev')
    .description('run a plugin in the foreground, and replace it whenever a file is saved; Ctrl-C stops it')
    .argument('<dir>', "the plugin's project");
  dev
    .addOption(value('--inspect [port]', 'open the debugger of each child, without time limits; default port: 9229').argParser(port).preset(''))
    .addOption(value('--inspect-brk [port]', 'the same, and the first child waits for a debugger').argParser(port).preset(''));
  withExamples(withJson(withSocket(withConfig(dev)).addOption(level())), ['dev .', 'dev ./hello --log-level debug', 'dev . --inspect']).action(
    async (dir: string, flags: DevFlags) => done(await (await import('./commands/dev.ts')).dev(dir, flags)),
  );
  const build = root
    .command('build')
    .description('bundle a plugin, import it once, and pack it with the types of its clients')
    .argument('<dir>', "the plugin's project")
    .addOption(value('-o, --output <file>', 'the archive; default: <name>-<version>.tgz'))
    .addOption(value('--external <package...>', 'install a package with the plugin instead of bundling it; native ones always are'))
    .option('--no-run', 'take the methods from package.json, and do not import the plugin');
  withExamples(withJson(withConfig(build)), ['build .', 'build ./hello -o hello.tgz', 'build . --external pdfkit']).action(
    async (dir: string, flags: BuildFlags) => done(await (await import('./commands/build.ts')).build(dir, flags)),
  );
}
