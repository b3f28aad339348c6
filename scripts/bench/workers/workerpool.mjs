import workerpool from 'workerpool';

workerpool.worker({ echo: (text) => text });
