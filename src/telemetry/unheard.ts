/** Tells a host without a logger of plugins that are not there: `createSupervisor` resolves all the same. */
import type { SupervisorEvent } from '../events.ts';

/** A subscriber that gives one process warning for each plugin, or folder, that could not be started. */
export function warnOfFailedStarts(): (event: SupervisorEvent) => void {
  const told = new Set<string>();
  return (event) => {
    if (event.kind !== 'instance-start-failed' && event.kind !== 'plugin-refused') return;
    const subject = event.kind === 'plugin-refused' ? event.path : `${event.plugin}@${event.version}`;
    if (told.has(subject)) return;
    told.add(subject);
    const [message] = event.error.message.split('\n', 1);
    const detail = `${event.error.message}\nGive createSupervisor a logger to hear of what happens later, or strict: true to have it thrown.`;
    // Its message may hold the plugin's name already.
    const named = message!.includes(subject) ? message! : `${subject}: ${message!}`;
    process.emitWarning(`a plugin was not started: ${named}`, { type: 'ChameleonWarning', code: event.error.code, detail });
  };
}
