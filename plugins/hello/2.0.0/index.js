let greeting = '你好';

export default {
  /** The configuration may bring another greeting: `"options": { "greeting": "Hello" }`. */
  init(plugin) {
    greeting = plugin.options.greeting ?? greeting;
    plugin.log.debug('ready to greet', { greeting });
  },

  methods: {
    greet(name) {
      return `👋 ${greeting}, ${name}!`;
    },

    farewell(name) {
      return `再见, ${name}`;
    },
  },
};
