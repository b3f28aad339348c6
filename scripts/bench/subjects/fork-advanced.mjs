/** Node's own channel with the codec of structured clone, the only one of Node's that carries bytes. */
import { open as fork } from './fork.mjs';

export const open = () => fork({ serialization: 'advanced' });
