/** Returns a TCP port of 127.0.0.1 that is free; somebody may be faster. */
export function freePort(): Promise<number> {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => undefined },
  });
  server.stop(true);
  return Promise.resolve(server.port);
}
