import { networkInterfaces } from "node:os";

/**
 * Returns a text that is another one whenever this machine has got or lost an
 * address that others can see. It says nothing else.
 */
export function networkAddresses(): string {
  const found: string[] = [];
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address, internal } of addresses) {
      if (!internal) found.push(`${name} ${address}`);
    }
  }
  return found.sort().join();
}
