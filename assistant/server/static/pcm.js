/** Samples as the wire has them: little-endian int16 in base64, 24 kHz mono. */

export const RATE = 24_000;

const PIECE = 8_192; // a call takes only so many arguments

export function toBase64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(text);
}

export function fromBase64(text) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length - (packed.length % 2));
  for (let at = 0; at < bytes.length; at++) bytes[at] = packed.charCodeAt(at);
  return new Int16Array(bytes.buffer);
}

export function toFloat(samples) {
  return Float32Array.from(samples, (value) => value / 32_768);
}

export function toInt16(samples) {
  return Int16Array.from(samples, (value) => Math.max(-32_768, Math.min(32_767, value * 32_768)));
}
