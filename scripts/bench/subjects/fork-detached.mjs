/** Bare fork whose child has a session of its own, as a supervised one has: Linux then shares the processor out between the two. */
import { openFork } from './fork.mjs';

export const open = () => openFork({ detached: true });
