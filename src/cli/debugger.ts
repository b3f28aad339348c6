/** Node opens its debugger to every local user when it gets SIGUSR1. A listener keeps that shut. Imported before everything else. */
process.on('SIGUSR1', () => {});
