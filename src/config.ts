/**
 * `chameleon-supervisor/config`: types for a configuration file, and nothing else.
 */
import type { SupervisorOptions } from './types.ts';

/** The options of `createSupervisor`, without what no file can hold. A relative `pluginDir` is relative to the file. */
export type Config = Omit<SupervisorOptions, 'logger'>;

/** Gives the editor the types of the configuration; returns it as it is. */
export function defineConfig(config: Config): Config {
  return config;
}
