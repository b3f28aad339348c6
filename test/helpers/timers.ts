/** How much earlier than it was set for a timer may fire: Node counts from the beginning of the turn that set it, which a busy machine makes long. */
export const EARLY_MS = 25;
