// What a client has to know of the arena's rules (`gameserver/games/arena.py`): how its values are
// laid out, how bullets fly and how the own fighter moves before the server has said so.

// Values are arrays; these are the positions (`gameserver/games/arena_types.py`).
//   Fighter [x, y, aim, health, kills, deaths, flags]   aim of 1024; flags: 1 shield, 2 rapid fire,
//                                                        the rest: steps taken ahead of inputs
//   Shot    [x, y, aim, tick, seat]                      where and after which tick it started
//   Pickup  [x, y, kind]                                 kind: 1 health, 2 rapid fire
//   Plan    [tile, rows]                                 rows of "#" (wall) and "." (floor)
//   Move    [dx, dy, aim, fire]                          the input; aim of 65536
// The view: {players: {seat: Fighter}, bullets: {key: Shot}, pickups: {index: Pickup},
//            ends_tick, kills, map: Plan}. `ends_tick` and `kills` are 0 where there is no limit.

export const HEALTH_MAX = 100;
export const RESPAWN_TICKS = 40;
export const RADIUS = 64;        // a fighter, as drawn
export const SHIELDED = 1;
export const RAPID = 2;
export const PICKUP_HEALTH = 1;

const SPEED = 44;
const SPEED_DIAGONAL = 31;
const BULLET_SPEED = 120;
const CELL = 64;
const TURN = 2 * Math.PI;
export const AIM_TURN = 1024;

export const aimToRadians = (aim) => (aim / AIM_TURN) * TURN;
export const radiansToAim = (radians) => Math.round((radians / TURN) * 65536) & 0xffff;

export function fighter([x, y, aim, health, kills, deaths, flags]) {
  return {
    x, y, aim, health, kills, deaths,
    shielded: !!(flags & SHIELDED), rapid: !!(flags & RAPID), ahead: flags >> 2,
  };
}

/** Where a Shot is at `tick` (which may lie between two), or null before it was fired. */
export function bulletAt([x, y, aim, tick, seat], now) {
  const age = now - tick;
  if (age < 0) return null;
  const angle = aimToRadians(aim);
  const way = BULLET_SPEED * age;
  return { x: x + Math.cos(angle) * way, y: y + Math.sin(angle) * way, angle, seat, age };
}

/** A map made ready for drawing and for walking on. */
export class Ground {
  constructor([tile, rows]) {
    this.tile = tile;
    this.rows = rows;
    this.columns = rows[0].length;
    this.width = this.columns * tile;
    this.height = rows.length * tile;
    const cells = tile / CELL;
    const wall = (u, v) => rows[Math.floor(v / cells)]?.[Math.floor(u / cells)] === "#";
    this.cellsWide = this.columns * cells;
    this.solid = new Uint8Array(this.cellsWide * rows.length * cells);
    for (let i = 0; i < this.solid.length; i++) {
      const u = i % this.cellsWide;
      const v = Math.floor(i / this.cellsWide);
      for (let dv = -1; dv <= 1; dv++) {
        for (let du = -1; du <= 1; du++) if (wall(u + du, v + dv)) this.solid[i] = 1;
      }
    }
  }

  isSolid(x, y) { return this.solid[(y >> 6) * this.cellsWide + (x >> 6)] !== 0; }

  /** Where a step leads: one axis after the other, so that a fighter slides along a wall. */
  walk({ x, y }, { dx, dy }) {
    const speed = dx && dy ? SPEED_DIAGONAL : SPEED;
    if (!this.isSolid(x + dx * speed, y)) x += dx * speed;
    if (!this.isSolid(x, y + dy * speed)) y += dy * speed;
    return { x, y };
  }
}
