/**
 * `chameleon-supervisor/testing`: a plugin in a real child process, for its author's tests. TypeScript is bundled first, and traces lead to
 * the source; JavaScript runs as it is.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleOwn } from './build/bundle.ts';
import { laidOutAt, layOut } from './build/lay-out.ts';
import { bundlePath, isTypeScript, readProject, type Project } from './build/project.ts';
import { createSupervisor, type Client, type CloseReport, type Logger, type PluginOptions, type Supervisor } from './index.ts';

export { BuildFailedError } from './build-errors.ts';

/** Options of the plugin, as a host would configure them. */
export interface StartPluginOptions extends PluginOptions {
  /** Where the plugin's output and the supervisor's log go, such as `console`. Default: nowhere. */
  logger?: Logger;
}

export interface StartedPlugin extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  /** Calls a method; rejects with a `ChameleonError`. */
  call(method: string, ...args: readonly unknown[]): Promise<unknown>;
  /** A typed client: `started.plugin<typeof plugin.methods>().greet('world')`. */
  plugin<M>(): Client<M>;
  /** For everything else that a host can do: `reload`, `status`, events. */
  readonly supervisor: Supervisor;
  /** Drains and stops the child, and removes what was built. */
  close(): Promise<CloseReport>;
}

/**
 * Starts the plugin in `dir`. Throws `BuildFailedError` when it does not build, `ManifestInvalidError` for its package.json, and
 * `StartFailedError` with the plugin's last output when it does not start.
 */
export async function startPlugin(dir: string | URL, { logger, ...options }: StartPluginOptions = {}): Promise<StartedPlugin> {
  const project = await readProject(dir instanceof URL ? (await import('node:url')).fileURLToPath(dir) : dir);
  const { name, version } = project.manifest;
  const folder = await mkdtemp(join(tmpdir(), 'chameleon-testing-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  let supervisor: Supervisor | null = null;
  try {
    const runnable = await runnableFolder(project, folder);
    supervisor = await createSupervisor({
      logger,
      // An author's folder is often another user's to root, as in a container.
      strictModes: false,
      plugins: { [name]: { ...options, execArgv: ['--enable-source-maps', ...(options.execArgv ?? [])] } },
    });
    await supervisor.load(runnable);
  } catch (error) {
    await supervisor?.close({ drainTimeoutMs: 0 });
    await remove();
    throw error;
  }
  const started = supervisor;
  let closing: Promise<CloseReport> | null = null;
  const close = (): Promise<CloseReport> => (closing ??= end());
  const end = async (): Promise<CloseReport> => {
    const report = await started.close();
    await remove();
    return report;
  };
  return {
    name,
    version,
    call: (method, ...args) => started.call(name, method, args),
    plugin: <M>() => started.plugin<M>(name),
    supervisor: started,
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  };
}

async function runnableFolder(project: Project, folder: string): Promise<string> {
  const { source } = project;
  if (source === null || !isTypeScript(source)) return project.dir;
  const { code } = await bundleOwn({ ...project, source }, join(laidOutAt(project, folder), bundlePath(source)));
  return layOut({ ...project, source }, code, folder);
}
