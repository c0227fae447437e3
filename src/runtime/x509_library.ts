/** The library's module: what its import gives. */
export type X509Library = typeof import("@peculiar/x509");

/**
 * Loads the library that writes certificates: 0.1 s, so only when needed.
 *
 * The library registers its algorithms with a container that asks for the
 * three functions below of a proposal that never became part of the language;
 * ours are all that it needs, and stand back for a complete polyfill.
 */
export async function loadX509Library(): Promise<X509Library> {
  if (!("getMetadata" in Reflect)) provideMetadata();
  return await import("@peculiar/x509");
}

function provideMetadata(): void {
  const metadata = new WeakMap<object, Map<unknown, unknown>>();
  function getMetadata(key: unknown, target: object): unknown {
    return metadata.get(target)?.get(key);
  }
  function defineMetadata(key: unknown, value: unknown, target: object): void {
    const entries = metadata.get(target) ?? new Map<unknown, unknown>();
    metadata.set(target, entries.set(key, value));
  }
  Object.assign(Reflect, {
    getMetadata,
    getOwnMetadata: getMetadata,
    defineMetadata,
  });
}
