/** Node's own channel with the codec of structured clone, the only one of Node's that carries bytes. */
import { openFork } from './fork.mjs';

export const open = () => openFork({ serialization: 'advanced' });
