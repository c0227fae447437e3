import { linkPair } from "../../src/transport/link_pair.ts";
import { testLinkContract } from "../contract/link_contract.ts";

testLinkContract("A link within the process", () => {
  const [near, far] = linkPair();
  return Promise.resolve({
    near,
    far,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
