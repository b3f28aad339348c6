import { createHash } from 'node:crypto';

/** Some milliseconds of a processor. */
const TIMES = 2_000;

export default {
  methods: {
    digest(text) {
      let digest = text;
      for (let i = 0; i < TIMES; i++) digest = createHash('sha256').update(digest).digest('hex');
      return digest;
    },
  },
};
