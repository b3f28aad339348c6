/** Answers what it is sent, and can profile the child that it runs in, from the first call on that is of interest. */
import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { setTimeout as pause } from 'node:timers/promises';

const session = new Session();

export default {
  methods: {
    echo: (text) => text,
    wait: (ms) => pause(ms),
    async start(intervalUs) {
      session.connect();
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: intervalUs });
      await session.post('Profiler.start');
    },
    async stop(file) {
      const { profile } = await session.post('Profiler.stop');
      session.disconnect();
      await writeFile(file, JSON.stringify(profile));
    },
  },
};
