// Walks by the page's rules: {map, start, moves} on stdin, the place after each move on stdout.

import { Ground } from "../../web/arena/rules.js";

const { map, start, moves } = await new Response(Deno.stdin.readable).json();
const ground = new Ground(map);
let at = { x: start[0], y: start[1] };
console.log(JSON.stringify(moves.map(([dx, dy]) => {
  at = ground.walk(at, { dx, dy });
  return [at.x, at.y];
})));
