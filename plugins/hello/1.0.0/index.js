export default {
  methods: {
    greet(name) {
      return `你好, ${name}`;
    },
  },
};
