// The rules of gameserver/games/arena.py in its mode "bench", for the peers that run on Node.js:
// every peer is to do the same game step. tests/bench holds the two to the same history.
//
//     step(room, inputs)   inputs: [{ seat, dx, dy, aim, fire }]   →  room.bodies, room.bullets
//
// Written as one would for speed in JavaScript: monomorphic objects, typed arrays, no closures.

const DRAWING = `
############
#s...s....s#
#..........#
#...#..#...#
#s........s#
#...#..#...#
#..........#
#s....s...s#
############
`.trim().split("\n");

const TILE = 256;
const CELLS = 4;
const SPEED = 44;
const SPEED_DIAGONAL = 31;
const BULLET_SPEED = 120;
const HIT_RADIUS = 76;
const DIRECTIONS = 1024;
export const HEALTH_MAX = 100;
const DAMAGE = 25;
const HOLD_TICKS = 10;
const FORGET_TICKS = 20;
const EARLY_TICKS = 8;
const SPARE_TICKS = 20;
const RELOAD_TICKS = 5;
const BULLET_TICKS = 20;
const RESPAWN_TICKS = 40;
const SHIELD_TICKS = 30;

const WIDTH = DRAWING[0].length * CELLS;
const HEIGHT = DRAWING.length * CELLS;
const SOLID_FOR_BULLETS = new Uint8Array(WIDTH * HEIGHT);
const SOLID_FOR_FIGHTERS = new Uint8Array(WIDTH * HEIGHT);
const SPAWNS = [];
const HEADING_X = new Int32Array(DIRECTIONS);
const HEADING_Y = new Int32Array(DIRECTIONS);

for (let y = 0; y < HEIGHT; y++) {
  for (let x = 0; x < WIDTH; x++) {
    if (DRAWING[Math.floor(y / CELLS)][Math.floor(x / CELLS)] === "#") SOLID_FOR_BULLETS[y * WIDTH + x] = 1;
  }
}
for (let y = 0; y < HEIGHT; y++) {
  for (let x = 0; x < WIDTH; x++) {
    for (let v = Math.max(0, y - 1); v < Math.min(HEIGHT, y + 2); v++) {
      for (let u = Math.max(0, x - 1); u < Math.min(WIDTH, x + 2); u++) {
        if (SOLID_FOR_BULLETS[v * WIDTH + u]) SOLID_FOR_FIGHTERS[y * WIDTH + x] = 1;
      }
    }
  }
}
DRAWING.forEach((row, y) => [...row].forEach((at, x) => {
  if (at === "s") SPAWNS.push({ x: x * TILE + TILE / 2, y: y * TILE + TILE / 2 });
}));
for (let step = 0; step < DIRECTIONS; step++) {
  HEADING_X[step] = Math.round(BULLET_SPEED * Math.cos((2 * Math.PI * step) / DIRECTIONS));
  HEADING_Y[step] = Math.round(BULLET_SPEED * Math.sin((2 * Math.PI * step) / DIRECTIONS));
}

// ── randomness: SplitMix64, drawn from only when a fighter returns ──────────────────────────────

const MASK = (1n << 64n) - 1n;

function bits(room) {
  let z = (room.random = (room.random + 0x9e3779b97f4a7c15n) & MASK);
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

function below(room, bound) {
  const wide = BigInt(bound);
  let product = bits(room) * wide;
  if ((product & MASK) < wide) {
    const refusedBelow = (1n << 64n) % wide;
    while ((product & MASK) < refusedBelow) product = bits(room) * wide;
  }
  return Number(product >> 64n);
}

// ── the room ─────────────────────────────────────────────────────────────────────────────────────

export function makeRoom(seed) {
  return { random: BigInt(seed) & MASK, bodies: [], bullets: [], now: 0, shots: 0 };
}

export function join(room, seat) {
  const body = {
    seat, x: 0, y: 0, dx: 0, dy: 0, aim: 0, fire: false, fired: false, health: 0, kills: 0,
    deaths: 0, heldUntil: 0, reloadUntil: 0, shieldUntil: 0, deadUntil: 0, shotTick: 0,
    aheadX: 0, aheadY: 0, ahead: 0, paidTick: 0, late: 0,
  };
  place(room, body);
  room.bodies.push(body);
  return body;
}

export function leave(room, seat) {
  room.bodies = room.bodies.filter((body) => body.seat !== seat);
  room.bullets = room.bullets.filter((bullet) => bullet.owner.seat !== seat);
}

// An input of the wire, a step: aim has 16 bits.
export function apply(body, dx, dy, aim, fire, now) {
  body.dx = dx;
  body.dy = dy;
  body.aim = aim >> 6;
  body.fire = fire;
  if (fire) body.fired = true;
  if (body.heldUntil <= now) body.paidTick = now - 1;
  body.heldUntil = now + FORGET_TICKS;
  if (body.paidTick >= now + EARLY_TICKS) return;
  body.paidTick += 1;
  if ((dx || dy) && body.health > 0) walk(body);
}

function walk(body) {
  const { dx, dy } = body;
  const speed = dx && dy ? SPEED_DIAGONAL : SPEED;
  if (!SOLID_FOR_FIGHTERS[(body.y >> 6) * WIDTH + ((body.x + dx * speed) >> 6)]) body.x += dx * speed;
  if (!SOLID_FOR_FIGHTERS[((body.y + dy * speed) >> 6) * WIDTH + (body.x >> 6)]) body.y += dy * speed;
}

// Where a fighter is seen whose inputs are late: as far as the last one would have led it.
function goAhead(body, now) {
  if (body.paidTick >= now) {
    body.late = body.ahead = body.aheadX = body.aheadY = 0;
    return;
  }
  body.late += 1;
  if (now - body.paidTick >= FORGET_TICKS) {
    walk(body);
    body.paidTick = now - FORGET_TICKS + 1;
  } else if (body.late >= SPARE_TICKS) {
    body.paidTick += 1;
    body.late = 0;
  }
  body.ahead = body.dx || body.dy ? Math.min(now - body.paidTick, HOLD_TICKS - 1) : 0;
  const { x, y } = body;
  for (let i = 0; i < body.ahead; i++) walk(body);
  body.aheadX = body.x - x;
  body.aheadY = body.y - y;
  body.x = x;
  body.y = y;
}

function stand(body) {
  body.x += body.aheadX;
  body.y += body.aheadY;
  body.late = body.ahead = body.aheadX = body.aheadY = 0;
  body.dx = body.dy = 0;
  body.fire = false;
}

// Inputs have been applied with `now = tick`; then everyone acts and every bullet flies.
export function step(room, tick) {
  room.now = tick;
  act(room, tick);
  if (room.bullets.length) fly(room, tick);
}

function place(room, body) {
  let best = -1;
  for (let draw = 0; draw < 3; draw++) {
    const spawn = SPAWNS[below(room, SPAWNS.length)];
    let nearest = -1;
    for (const other of room.bodies) {
      if (other.health <= 0) continue;
      const far = (other.x - spawn.x) ** 2 + (other.y - spawn.y) ** 2;
      if (nearest < 0 || far < nearest) nearest = far;
    }
    if (nearest < 0) nearest = 0;
    if (nearest > best) {
      best = nearest;
      body.x = spawn.x;
      body.y = spawn.y;
    }
  }
  body.health = HEALTH_MAX;
  body.shieldUntil = room.now + SHIELD_TICKS;
  body.fire = body.fired = false;
  body.dx = body.dy = body.ahead = body.aheadX = body.aheadY = 0;
}

function act(room, now) {
  for (const body of room.bodies) {
    if (body.heldUntil <= now) {
      if (body.dx || body.dy || body.fire) stand(body);
    } else if (body.paidTick < now || body.late) goAhead(body, now);
    if (body.health <= 0) {
      body.fired = false;
      if (now >= body.deadUntil) place(room, body);
      continue;
    }
    if (body.fired || (body.fire && body.late < HOLD_TICKS)) {
      body.fired = false;
      if (body.reloadUntil <= now) shoot(room, body, now);
    }
  }
}

function shoot(room, body, now) {
  body.reloadUntil = now + RELOAD_TICKS;
  body.shieldUntil = 0;
  body.shotTick = now;
  room.shots = (room.shots + 1) & 0xffff;
  const x = body.x + body.aheadX;
  const y = body.y + body.aheadY;
  room.bullets.push({
    key: room.shots, owner: body, tick: now, aim: body.aim, fromX: x, fromY: y, x, y, dx: HEADING_X[body.aim], dy: HEADING_Y[body.aim],
  });
}

function fly(room, now) {
  const targets = room.bodies.filter((body) => body.health > 0 && body.shieldUntil <= now);
  const spentTick = now - BULLET_TICKS;
  const { bullets } = room;
  let kept = 0;
  for (const bullet of bullets) {
    const x = (bullet.x += bullet.dx);
    const y = (bullet.y += bullet.dy);
    if (bullet.tick <= spentTick || SOLID_FOR_BULLETS[(y >> 6) * WIDTH + (x >> 6)] || hit(targets, bullet, now)) continue;
    bullets[kept++] = bullet;
  }
  bullets.length = kept;
}

function hit(targets, bullet, now) {
  for (const body of targets) {
    const x = body.x + body.aheadX - bullet.x;
    const y = body.y + body.aheadY - bullet.y;
    if (x <= -HIT_RADIUS || x >= HIT_RADIUS || y <= -HIT_RADIUS || y >= HIT_RADIUS) continue;
    if (x * x + y * y >= HIT_RADIUS * HIT_RADIUS || body === bullet.owner || body.health <= 0) continue;
    body.health = Math.max(0, body.health - DAMAGE);
    if (body.health === 0) {
      body.deaths += 1;
      body.deadUntil = now + RESPAWN_TICKS;
      bullet.owner.kills += 1;
    }
    return true;
  }
  return false;
}
