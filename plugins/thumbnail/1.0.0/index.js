import sharp from 'sharp';

const FORMATS = ['jpeg', 'png', 'webp', 'avif'];

/** The caller is to blame, not the plugin: such an error says nothing about the plugin's health. */
function refuse(message) {
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARGS' });
}

export default {
  methods: {
    /** Fits an image (base64) into `width` × `height` pixels; in its own format unless another is asked for. */
    async resize(image, { width, height, format } = {}) {
      if (typeof image !== 'string') refuse('resize takes the image as base64');
      if (!(Number.isInteger(width) && width > 0) && !(Number.isInteger(height) && height > 0)) refuse('resize needs a width or a height in pixels');
      if (format !== undefined && !FORMATS.includes(format)) refuse(`format is one of ${FORMATS.join(', ')}`);

      const source = sharp(Buffer.from(image, 'base64'));
      const { format: own } = await source.metadata().catch(() => refuse('that is no image'));
      // libvips cannot be interrupted, so the signal is asked between the stages.
      this.signal.throwIfAborted();
      const { data: pixels, info: raw } = await source.rotate().resize({ width, height, fit: 'inside' }).raw().toBuffer({ resolveWithObject: true });
      this.signal.throwIfAborted();
      const { data, info } = await sharp(pixels, { raw })
        .toFormat(format ?? own)
        .toBuffer({ resolveWithObject: true });
      this.log.debug('resized', { from: own, width: info.width, height: info.height, bytes: data.length });
      return { base64: data.toString('base64'), width: info.width, height: info.height, format: info.format };
    },
  },
};
