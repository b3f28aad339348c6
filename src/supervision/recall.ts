/** What happens → what is remembered of it. */
import type { SupervisorEvent } from '../events.ts';
import type { Memory } from '../state/memory.ts';
import type { RolloutReason } from '../types.ts';
import type { Plugin } from './plugin.ts';

/** Ends of rollouts that say nothing against the version. */
const BLAMELESS: readonly (RolloutReason | null)[] = ['operator', 'superseded', 'closed', 'quiesce-failed', 'contract'];

/** Saves when something was learned; the promise is kept by whoever has to wait for it. */
export function recall(event: SupervisorEvent, memory: Memory, plugins: ReadonlyMap<string, Plugin>): void {
  switch (event.kind) {
    case 'plugin-activated': {
      const { plugin, version, from } = event;
      const previous = from === null || from === version ? memory.of(plugin).previous : from;
      memory.change(plugin, { active: version, previous, range: plugins.get(plugin)?.options.version ?? '*' });
      memory.forgive(plugin, version);
      break;
    }
    case 'rollout-phase':
      if (event.phase === 'holding') memory.change(event.plugin, { held: event.from });
      else if (event.phase === 'retired') memory.change(event.plugin, { held: null });
      else return;
      break;
    case 'rolled-back':
      memory.change(event.plugin, { held: null });
      if (BLAMELESS.includes(event.result.reason)) break;
      memory.fail(event.plugin, event.version);
      // What was taken back for cause is nothing to go back to.
      if (memory.of(event.plugin).previous === event.version) memory.change(event.plugin, { previous: null });
      break;
    case 'reload-failed':
      if (event.from === event.version || BLAMELESS.includes(event.error.result.reason)) return;
      memory.fail(event.plugin, event.version);
      break;
    case 'started-on-demand':
      memory.change(event.plugin, { pinned: [...memory.of(event.plugin).pinned, event.version] });
      break;
    case 'plugin-unloaded': {
      const active = plugins.get(event.plugin)?.active?.release.version ?? null;
      if (active === null) memory.forget(event.plugin);
      else memory.change(event.plugin, { active, pinned: memory.of(event.plugin).pinned.filter((version) => version !== event.version) });
      break;
    }
    default:
      return;
  }
  void memory.save();
}
