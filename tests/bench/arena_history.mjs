// Plays a history with the peers' rules: JSON on stdin, the positions after every tick on stdout.
//
//     { seed, players, ticks: [[[seat, dx, dy, aim, fire], …], …] }  →  [[[x, y, …], …], …]

import { readFileSync } from "node:fs";
import { apply, join, makeRoom, step } from "../../bench/peers/arena.mjs";

const { seed, players, ticks } = JSON.parse(readFileSync(0, "utf8"));
const room = makeRoom(seed);
const bodies = Array.from({ length: players }, (_, seat) => join(room, seat));

const history = ticks.map((inputs, index) => {
  for (const [seat, dx, dy, aim, fire] of inputs) apply(bodies[seat], dx, dy, aim, fire, index + 1);
  step(room, index + 1);
  return [
    ...bodies.map((body) => [body.x, body.y, body.ahead, body.aim, body.health, body.kills, body.deaths]),
    ...room.bullets.map((bullet) => [bullet.key, bullet.x, bullet.y]),
  ];
});
process.stdout.write(JSON.stringify(history));
