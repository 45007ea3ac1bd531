// What several pages say of players, and what all of them can do about one.

import { part } from "./client.js";
import { confirm, expiryField } from "./confirm.js";
import { h, toast } from "./dom.js";
import { tail } from "./format.js";

/** Links to the matches of seats. */
export function seatLinks(seats) {
  if (!seats.length) return ["–"];
  return seats.flatMap((seat, index) => [
    index ? ", " : "",
    h("a", { href: `#/match/${part(seat.match)}`, class: "mono", title: seat.match }, tail(seat.match, 10)),
    seat.connected ? "" : " (away)",
  ]);
}

/** Ask, and ban. */
export function askBan(api, player, name) {
  const end = expiryField("ban-until", "For");
  return confirm({
    title: `Ban ${name}?`,
    lines: [
      "All seats are freed and all connections closed, on all nodes, at once.",
      "They are refused at every door until the ban ends, and told the reason.",
      "An earlier ban is replaced.",
    ],
    extra: [end.element],
    verb: "Ban",
    danger: true,
    reason: "Reason (the player is told)",
    act: async ({ reason }) => {
      await api.put(`/players/${part(player)}/ban`, { reason, until_ms: end.untilMs });
      toast(`${name} is banned.`);
    },
  });
}

/** Ask, and let in again. */
export function liftBan(api, player, name) {
  return confirm({
    title: `Lift the ban of ${name}?`,
    lines: ["They can connect and play again at once."],
    verb: "Lift the ban",
    act: async ({ reason }) => {
      await api.delete(`/players/${part(player)}/ban?${new URLSearchParams({ reason })}`);
      toast(`${name} may play again.`);
    },
  });
}
