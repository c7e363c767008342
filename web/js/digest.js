// SHA-256 by the host's own implementation.

/** Lower-case hexadecimal SHA-256 of bytes (an ArrayBuffer or a view of one). */
export async function sha256(bytes) {
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
