import { createRequire } from 'node:module';
import { marked } from 'marked';

const { version } = createRequire(import.meta.url)('marked/package.json');

export default {
  methods: {
    /** HTML of a Markdown text. */
    render(markdown) {
      if (typeof markdown !== 'string') throw Object.assign(new TypeError('render takes a text'), { code: 'ERR_INVALID_ARGS' });
      return marked.parse(markdown);
    },

    /** The version of marked that does the work. */
    renderer() {
      return version;
    },
  },
};
