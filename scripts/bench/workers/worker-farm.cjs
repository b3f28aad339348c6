module.exports = (text, callback) => callback(null, text);
