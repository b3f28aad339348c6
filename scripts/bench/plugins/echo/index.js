export default { methods: { echo: (text) => text } };
