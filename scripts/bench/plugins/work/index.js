import { setTimeout as pause } from 'node:timers/promises';

const SERVICE_MS = 2;

export default { methods: { work: (text) => pause(SERVICE_MS, text) } };
