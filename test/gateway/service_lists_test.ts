import { expect, test } from "bun:test";
import { ServiceLists } from "../../src/gateway/service_lists.ts";
import type { Service } from "../../src/protocol/control.ts";

function ssh(): Service[] {
  return [{ name: "ssh", state: "open" }];
}

test("ServiceLists gives agents that say the same one list, and others their own", () => {
  const lists = new ServiceLists();
  const first = lists.share(ssh());
  expect(lists.share(ssh())).toBe(first);
  const closed = lists.share([{ name: "ssh", state: "closed" }]);
  expect([first, closed]).toEqual([
    [{ name: "ssh", state: "open" }],
    [{ name: "ssh", state: "closed" }],
  ]);
});

test("ServiceLists forgets what was said first, whatever agents say", () => {
  const lists = new ServiceLists();
  const first = lists.share(ssh());
  for (let id = 0; id < 63; id++) {
    lists.share([{ name: `s${id}`, state: "open" }]);
  }
  expect(lists.share(ssh())).toBe(first);
  lists.share([{ name: "one-more", state: "open" }]);
  expect(lists.share(ssh())).not.toBe(first);
});
