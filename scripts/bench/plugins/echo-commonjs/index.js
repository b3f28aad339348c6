module.exports = { methods: { echo: (text) => text } };
