// What a client has to know of the arena's rules (`gameserver/games/arena.py`): how its values are
// laid out, how bullets fly and how the own fighter moves before the server has said so.

// Values are arrays; these are the positions (`gameserver/games/arena_types.py`).
//   Fighter [x, y, aim, health, kills, deaths, flags]   aim of 1024; flags: 1 shield, 2 rapid fire
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

export const aimToRadians = (aim) => (aim / 1024) * TURN;
export const radiansToAim = (radians) => Math.round((radians / TURN) * 65536) & 0xffff;

export function fighter([x, y, aim, health, kills, deaths, flags]) {
  return { x, y, aim, health, kills, deaths, shielded: !!(flags & SHIELDED), rapid: !!(flags & RAPID) };
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

  /** One tick's walk: one axis after the other, so that a fighter slides along a wall. */
  walk(at, dx, dy) {
    const speed = dx && dy ? SPEED_DIAGONAL : SPEED;
    if (!this.isSolid(at.x + dx * speed, at.y)) at.x += dx * speed;
    if (!this.isSolid(at.x, at.y + dy * speed)) at.y += dy * speed;
  }
}

const PENDING_MAX = 40;
const SNAP_UNITS = 400;

/**
 * The own fighter, ahead of the server: inputs that it has not confirmed are walked again from
 * where it last saw us. What is left of a difference fades away instead of jumping.
 */
export class Prediction {
  constructor() { this.reset(); }

  reset() {
    this.pending = [];
    this.at = null;
    this.before = null;
    this.error = { x: 0, y: 0 };
  }

  /** A frame has come: `me` is the server's fighter, `ack` the last input it holds. */
  confirm(me, ack, ground) {
    while (this.pending.length && this.pending[0].seq <= ack) this.pending.shift();
    if (me.health <= 0) {
      this.reset();
      return;
    }
    const next = { x: me.x, y: me.y };
    for (const { dx, dy } of this.pending) if (dx || dy) ground.walk(next, dx, dy);
    if (this.at) {
      const ex = this.at.x - next.x;
      const ey = this.at.y - next.y;
      if (Math.hypot(ex, ey) > SNAP_UNITS) this.before = next;
      else {
        this.error.x += ex;
        this.error.y += ey;
        this.before = { x: this.before.x - ex, y: this.before.y - ey };
      }
    } else this.before = next;
    this.at = next;
  }

  /** An input was sent: walk it now. */
  apply(seq, dx, dy, ground) {
    if (!this.at || !seq) return;
    this.pending.push({ seq, dx, dy });
    if (this.pending.length > PENDING_MAX) this.pending.shift();
    this.before = { ...this.at };
    this.at = { ...this.at };
    if (dx || dy) ground.walk(this.at, dx, dy);
  }

  /** Where to draw it, `share` (0 to 1) of a tick after the last input; null while unknown. */
  position(share, elapsedMs) {
    if (!this.at) return null;
    const fade = Math.exp(-elapsedMs / 80);
    this.error.x *= fade;
    this.error.y *= fade;
    const t = Math.min(1, share);
    return {
      x: this.before.x + (this.at.x - this.before.x) * t + this.error.x,
      y: this.before.y + (this.at.y - this.before.y) * t + this.error.y,
    };
  }
}

const DELAY_MS = 100;
const FRAMES_MAX = 40;
const GAP_MS = 400;

/** The last frames, seen from a little behind the newest, so that there are two to draw between. */
export class Timeline {
  constructor() { this.reset(); }

  reset() {
    this.frames = [];
    this.offsetMs = null; // server time minus local time, of the frames with the least delay
  }

  push(frame, nowMs) {
    const last = this.frames.at(-1);
    if (last && (frame.epoch !== last.epoch || frame.tick < last.tick)) this.reset();
    const sample = frame.serverMs - nowMs;
    if (this.offsetMs === null || Math.abs(sample - this.offsetMs) > 1000) this.offsetMs = sample;
    else this.offsetMs += (sample - this.offsetMs) * (sample > this.offsetMs ? 0.3 : 0.01);
    this.frames.push(frame);
    if (this.frames.length > FRAMES_MAX) this.frames.shift();
  }

  get newest() { return this.frames.at(-1) ?? null; }

  /** Two frames and how far (0 to 1) between them it is now: {from, to, share, tick}, or null. */
  at(nowMs) {
    const { frames } = this;
    if (!frames.length) return null;
    const when = nowMs + this.offsetMs - DELAY_MS;
    let i = frames.length - 1;
    while (i > 0 && frames[i - 1].serverMs > when) i -= 1;
    const to = frames[i];
    const from = frames[i - 1] ?? to;
    const span = to.serverMs - from.serverMs;
    let share = span > 0 ? (when - from.serverMs) / span : 1;
    // After a pause nobody crept from one place to the other: jump.
    share = span > GAP_MS ? 1 : Math.min(1, Math.max(0, share));
    return { from, to, share, tick: from.tick + (to.tick - from.tick) * share };
  }
}
