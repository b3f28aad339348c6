setInterval(() => {}, 2 ** 30);

export default { methods: { echo: (text) => text } };
