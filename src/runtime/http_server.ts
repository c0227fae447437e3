import { Fault } from "../protocol/fault.ts";

export interface HttpListener extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

/**
 * Listens for plain HTTP requests, for pages that only this host may see.
 *
 * @throws {Fault} `configInvalid` if it cannot listen there.
 */
export function listenHttp(
  address: { readonly host: string; readonly port: number },
  fetch: (request: Request) => Response | Promise<Response>,
): HttpListener {
  const { host, port } = address;
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({ hostname: host, port, fetch });
  } catch (cause) {
    throw new Fault("configInvalid", `Cannot listen on ${host}:${port}`, {
      hint: "Choose another address or port: a program may listen there",
      cause,
    });
  }
  return {
    host,
    port: server.port ?? port,
    [Symbol.asyncDispose]: async () => await server.stop(true),
  };
}
