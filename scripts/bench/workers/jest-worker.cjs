module.exports = { echo: (text) => text };
