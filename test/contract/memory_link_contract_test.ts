import { memoryLinks } from "../support/memory_link.ts";
import { testLinkContract } from "./link_contract.ts";

testLinkContract("A link in memory", () => {
  const { near, far } = memoryLinks();
  return Promise.resolve({
    near,
    far,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
