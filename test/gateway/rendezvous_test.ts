import { expect, test } from "bun:test";
import { type Arrival, Rendezvous } from "../../src/gateway/rendezvous.ts";
import { memoryLinks } from "../support/memory_link.ts";

const OWNER = "/O=mf.test/OU=COMPUTERS/CN=4c4c_7";
const THIEF = "/O=mf.test/OU=COMPUTERS/CN=4c4c_8";

function arrivalOf(subject: string): Arrival {
  return {
    link: memoryLinks().near,
    agent: {
      principal: { role: "agent", subject, name: subject },
      address: "192.0.2.7",
      certificate: undefined,
    },
  };
}

function codeOf(redeem: () => unknown): unknown {
  try {
    return redeem();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
}

const REFUSED = {
  code: "ticketInvalid",
  message: "Cannot join tunnel: ticket not valid",
};

test("Rendezvous hands the link to whoever expects it, once", () => {
  const rendezvous = new Rendezvous();
  const arrived: Arrival[] = [];
  const ticket = rendezvous.expect(OWNER, (arrival) => arrived.push(arrival));
  expect(rendezvous.expectedCount).toBe(1);
  const arrival = arrivalOf(OWNER);
  rendezvous.redeem(ticket, OWNER)(arrival);
  expect(arrived).toEqual([arrival]);
  expect(rendezvous.expectedCount).toBe(0);
  expect(codeOf(() => rendezvous.redeem(ticket, OWNER))).toEqual(REFUSED);
});

test("Rendezvous keeps a stolen ticket good for its owner", () => {
  const rendezvous = new Rendezvous();
  const ticket = rendezvous.expect(OWNER, () => undefined);
  for (let tries = 0; tries < 3; tries++) {
    expect(codeOf(() => rendezvous.redeem(ticket, THIEF))).toEqual(REFUSED);
  }
  expect(codeOf(() => rendezvous.redeem(ticket, OWNER)))
    .toBeInstanceOf(Function);
});

test("Rendezvous says the same of a ticket that never was, ran out or is another's", () => {
  const rendezvous = new Rendezvous();
  const forgotten = rendezvous.expect(OWNER, () => undefined);
  rendezvous.forget(forgotten);
  const others = rendezvous.expect(THIEF, () => undefined);
  const near = others.slice(0, -1) + (others.endsWith("0") ? "1" : "0");
  const hostile = ["", "__proto__", "x".repeat(10_000), others.toUpperCase()];
  for (const ticket of [forgotten, others, near, ...hostile]) {
    expect(codeOf(() => rendezvous.redeem(ticket, OWNER))).toEqual(REFUSED);
  }
  expect(rendezvous.expectedCount).toBe(1);
});

test("Rendezvous.forget() may come after the ticket was used", () => {
  const rendezvous = new Rendezvous();
  const ticket = rendezvous.expect(OWNER, () => undefined);
  rendezvous.redeem(ticket, OWNER);
  rendezvous.forget(ticket);
  rendezvous.forget(ticket);
  expect(rendezvous.expectedCount).toBe(0);
});

test("Rendezvous makes tickets of 256 random bits, never the same", () => {
  const rendezvous = new Rendezvous();
  const tickets = Array.from(
    { length: 1_000 },
    () => rendezvous.expect(OWNER, () => undefined),
  );
  expect(tickets.filter((ticket) => !/^[0-9a-f]{64}$/.test(ticket))).toEqual(
    [],
  );
  expect(new Set(tickets).size).toBe(1_000);
  expect(rendezvous.expectedCount).toBe(1_000);
});
