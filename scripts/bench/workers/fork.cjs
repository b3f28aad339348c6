process.on('message', ({ id, text }) => process.send({ id, text }));
