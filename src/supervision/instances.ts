/** What a deployment does with its instances whatever state it is in. */
import type { Instance } from '../instance/instance.ts';

/** Resolves when nothing is left of those beside the one that serves. What has calls may finish them. */
export async function endOthers(instances: Iterable<Instance>, serving: Instance | null): Promise<void> {
  const others = [...instances].filter((each) => each !== serving);
  await Promise.all(others.map((each) => (each.state.kind === 'starting' ? each.stop(0) : each.gone)));
}

/** Tells when it is `maxAgeMs` old, unless it has ended by then. */
export function limitAge(instance: Instance, maxAgeMs: number | null, onOld: () => void): void {
  if (maxAgeMs === null) return;
  const age = setTimeout(onOld, maxAgeMs);
  void instance.done.then(() => clearTimeout(age));
}
