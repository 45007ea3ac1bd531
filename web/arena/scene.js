// Draws an arena match on a canvas. How its values are laid out stands in rules.js.
//
//   frame ──► Timeline ──► others, a little in the past, smooth between two frames
//       └───► Predictor ◄── own inputs ──► the own fighter, at once

import {
  AIM_TURN, Ground, HEALTH_MAX, PICKUP_HEALTH, RADIUS, aimToRadians, bulletAt, fighter,
} from "./rules.js";
import { paintFloor } from "./floor.js";
import { Predictor, Timeline, mix, mixAngle } from "../sdk/index.js";

const TILES_ACROSS = 22;       // how much of a large map is seen, at most
const TILE_PIXELS_MIN = 38;    // on a small screen rather see less than too small
const PARTICLES_MAX = 240;
const SNAP_UNITS = 400;         // a farther own fighter has been put elsewhere
const CORRECTIONS_MAX = 4_096;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** The colour of a seat: neighbours far apart on the wheel (golden angle). */
export function seatColour(seat) {
  const hue = (seat * 137.508 + 8) % 360;
  return `hsl(${hue.toFixed(0)} ${dark.matches ? "72% 64%" : "64% 42%"})`;
}

function sameMap([tile, rows], other) {
  return other !== null && tile === other[0] && rows.length === other[1].length
    && rows.every((row, i) => row === other[1][i]);
}

function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    floor: read("--floor"), line: read("--floor-line"), wall: read("--wall"),
    wallTop: read("--wall-top"), text: read("--text"), halo: read("--halo"),
    self: read("--self"), good: read("--good"), warn: read("--warn"), bad: read("--bad"),
    track: read("--bar-track"), shot: read("--shot"),
  };
}

export class ArenaScene {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: true });
    this.names = new Map();
    this.timeline = new Timeline();
    this.prediction = new Predictor({
      step: (at, input) => this.ground.walk(at, input), snap: SNAP_UNITS,
    });
    this.colours = palette();
    dark.addEventListener("change", () => { this.colours = palette(); this.floor = null; });
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.reset(-1);
    this.resize();
  }

  /** A new match, or the same one after a gap. */
  reset(seat, tickRate = 20) {
    this.seat = seat;
    this.tickMs = 1000 / tickRate;
    this.timeline.reset();
    this.prediction.reset();
    this.corrections = []; // by how many pixels the server put the own fighter right, frame by frame
    this.particles = [];
    this.flashes = new Map();
    this.inputMs = this.frameMs = 0;
    this.drawnMs = 0;
    this.ground = null;
    this.floor = null;
    this.plan = null;
    this.camera = null;
    this.own = null;
  }

  resize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.ratio = ratio;
    this.floor = null;
  }

  push(frame, nowMs) {
    const { map, players, bullets } = frame.view;
    if (map !== this.plan) {
      // A whole view brings the map along; painting the same floor again would cost a frame.
      if (!sameMap(map, this.plan)) {
        this.ground = new Ground(map);
        this.floor = null;
      }
      this.plan = map;
    }
    const before = this.timeline.newest;
    this.timeline.push(frame, nowMs);
    this.frameMs = nowMs;
    const mine = players[this.seat];
    this.own = mine ? fighter(mine) : null;
    this.#confirm(frame.acks[this.seat] ?? 0);
    if (before) this.#effects(before, players, bullets, frame.tick, nowMs);
  }

  #confirm(ack) {
    const { own } = this;
    if (!own || own.health <= 0) {
      this.prediction.rest();
      return;
    }
    const known = this.prediction.state !== null;
    const off = this.prediction.confirm({ x: own.x, y: own.y }, ack, own.ahead);
    if (!known || !this.camera) return;
    this.corrections.push(off * this.camera.scale);
    if (this.corrections.length > CORRECTIONS_MAX) this.corrections.shift();
  }

  /** An input was sent, which was due at `dueMs`. */
  sent(seq, { dx, dy }, dueMs) {
    this.inputMs = dueMs;
    if (this.ground) this.prediction.apply(seq, { dx, dy });
  }

  /** Where the own fighter is on the page; the middle while there is none. */
  get ownOnPage() {
    const box = this.canvas.getBoundingClientRect();
    const { x, y, scale } = this.camera ?? { x: 0, y: 0, scale: 0 };
    const at = this.ownAt ?? { x, y };
    return {
      x: box.left + box.width / 2 + (at.x - x) * scale,
      y: box.top + box.height / 2 + (at.y - y) * scale,
    };
  }

  /** From the middle of the own fighter to a point of the page, in radians. */
  aimAt(pageX, pageY) {
    const { x, y } = this.ownOnPage;
    return Math.atan2(pageY - y, pageX - x);
  }

  /** `sticks`: where fingers are, in pixels of the page: {x, y, dx, dy} with d in `reach`. */
  draw(nowMs, aim, sticks = [], reach = 1) {
    const moment = this.timeline.at(nowMs);
    const c = this.context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!moment || !this.ground) return;
    const elapsedMs = Math.min(100, nowMs - this.drawnMs);
    this.drawnMs = nowMs;
    this.ownAt = this.own?.health > 0
      ? this.prediction.drawn((nowMs - this.inputMs) / this.tickMs, elapsedMs) : null;
    this.#aimCamera(elapsedMs);
    this.#drawFloor();
    const scale = this.camera.scale * this.ratio;
    c.setTransform(scale, 0, 0, scale,
      this.canvas.width / 2 - this.camera.x * scale, this.canvas.height / 2 - this.camera.y * scale);
    this.#drawPickups(moment.to.view.pickups, nowMs);
    this.#drawBullets(moment, nowMs);
    this.#drawFighters(moment, aim, nowMs);
    this.#drawParticles(elapsedMs);
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    for (const stick of sticks) this.#drawStick(stick, reach);
  }

  #drawStick({ x, y, dx, dy }, reach) {
    const c = this.context;
    const far = Math.max(1, Math.hypot(dx, dy));
    c.fillStyle = c.strokeStyle = this.colours.text;
    c.lineWidth = 2;
    c.globalAlpha = 0.35;
    c.beginPath();
    c.arc(x, y, reach, 0, 2 * Math.PI);
    c.stroke();
    c.beginPath();
    c.arc(x + (dx / far) * reach, y + (dy / far) * reach, reach * 0.42, 0, 2 * Math.PI);
    c.fill();
    c.globalAlpha = 1;
  }

  // ── what has happened between two frames ────────────────────────────────────────────────────

  #effects(before, players, bullets, tick, nowMs) {
    for (const [seat, now] of Object.entries(players)) {
      const was = before.view.players[seat];
      if (!was || now[3] >= was[3]) continue;
      this.flashes.set(Number(seat), nowMs);
      if (now[3] <= 0) this.#burst(now[0], now[1], seatColour(Number(seat)), 26, 520);
    }
    for (const [key, shot] of Object.entries(before.view.bullets)) {
      if (key in bullets) continue;
      const at = bulletAt(shot, tick - 0.5);
      if (at) this.#burst(at.x, at.y, this.colours.shot, 4, 240);
    }
  }

  #burst(x, y, colour, count, speed) {
    if (calm.matches) return;
    for (let i = 0; i < count && this.particles.length < PARTICLES_MAX; i++) {
      const angle = Math.random() * 2 * Math.PI;
      const v = speed * (0.3 + Math.random());
      this.particles.push({
        x, y, vx: Math.cos(angle) * v, vy: Math.sin(angle) * v, colour, age: 0,
        life: 250 + Math.random() * 300, size: 10 + Math.random() * 16,
      });
    }
  }

  // ── drawing ─────────────────────────────────────────────────────────────────────────────────

  #aimCamera(elapsedMs) {
    const { ground } = this;
    const first = this.camera === null;
    const camera = (this.camera ??= { x: 0, y: 0, scale: 0 });
    const width = this.canvas.clientWidth || 1;
    const height = this.canvas.clientHeight || 1;
    const fit = Math.min(width / (ground.width + ground.tile), height / (ground.height + ground.tile));
    const least = Math.max(TILE_PIXELS_MIN, width / TILES_ACROSS) / ground.tile;
    camera.scale = ground.columns <= TILES_ACROSS && fit * ground.tile >= TILE_PIXELS_MIN * 0.8
      ? fit : Math.max(fit, Math.min(least, 64 / ground.tile));
    const target = this.ownAt ?? this.own ?? { x: ground.width / 2, y: ground.height / 2 };
    const clamp = (at, size, seen) => {
      const margin = ground.tile / 2;
      if (seen >= size + 2 * margin) return size / 2;
      return Math.min(size + margin - seen / 2, Math.max(seen / 2 - margin, at));
    };
    const x = clamp(target.x, ground.width, width / camera.scale);
    const y = clamp(target.y, ground.height, height / camera.scale);
    const share = first || Math.hypot(x - camera.x, y - camera.y) > 3000 ? 1 : 1 - Math.exp(-elapsedMs / 60);
    camera.x = mix(camera.x, x, share);
    camera.y = mix(camera.y, y, share);
  }

  #drawFloor() {
    const { ground, camera, colours } = this;
    const tilePixels = ground.tile * camera.scale * this.ratio;
    if (!this.floor || Math.abs(this.floorTile - tilePixels) > 0.01) {
      this.floorTile = tilePixels;
      this.floor = paintFloor(ground, tilePixels, colours);
    }
    const scale = camera.scale * this.ratio;
    this.context.drawImage(this.floor,
      Math.round(this.canvas.width / 2 - camera.x * scale),
      Math.round(this.canvas.height / 2 - camera.y * scale));
  }

  #drawPickups(pickups, nowMs) {
    const c = this.context;
    for (const [x, y, kind] of Object.values(pickups)) {
      const lift = calm.matches ? 0 : Math.sin(nowMs / 350 + x) * 6;
      const health = kind === PICKUP_HEALTH;
      c.fillStyle = health ? this.colours.good : this.colours.warn;
      c.beginPath();
      c.roundRect(x - 52, y - 52 + lift, 104, 104, 28);
      c.fill();
      c.fillStyle = "#fff";
      c.beginPath();
      if (health) {
        c.rect(x - 12, y - 34 + lift, 24, 68);
        c.rect(x - 34, y - 12 + lift, 68, 24);
      } else {
        c.moveTo(x + 10, y - 38 + lift);
        c.lineTo(x - 26, y + 8 + lift);
        c.lineTo(x - 2, y + 8 + lift);
        c.lineTo(x - 10, y + 38 + lift);
        c.lineTo(x + 26, y - 8 + lift);
        c.lineTo(x + 2, y - 8 + lift);
      }
      c.fill();
    }
  }

  #drawBullets({ from, to, tick }, nowMs) {
    const c = this.context;
    c.lineCap = "round";
    c.lineWidth = 22;
    const newest = this.timeline.newest;
    const present = newest.tick + Math.min(1.5, (nowMs - this.frameMs) / this.tickMs);
    const draw = (shot, at) => {
      const bullet = bulletAt(shot, at);
      if (!bullet) return;
      const tail = Math.min(90, bullet.age * 90);
      c.strokeStyle = bullet.seat === this.seat ? this.colours.self : this.colours.shot;
      c.beginPath();
      c.moveTo(bullet.x - Math.cos(bullet.angle) * tail, bullet.y - Math.sin(bullet.angle) * tail);
      c.lineTo(bullet.x, bullet.y);
      c.stroke();
    };
    // Own bullets start where the own fighter is drawn: in the present, not in the others' past.
    for (const shot of Object.values(newest.view.bullets)) {
      if (shot[4] === this.seat) draw(shot, present);
    }
    const seen = { ...from.view.bullets, ...to.view.bullets };
    for (const shot of Object.values(seen)) if (shot[4] !== this.seat) draw(shot, tick);
  }

  #drawFighters({ from, to, share }, aim, nowMs) {
    const labels = [];
    for (const [key, raw] of Object.entries(to.view.players)) {
      const seat = Number(key);
      const isSelf = seat === this.seat;
      const now = isSelf && this.own ? this.own : fighter(raw);
      if (now.health <= 0) continue;
      let { x, y } = now;
      let angle = aimToRadians(now.aim);
      const was = from.view.players[key];
      if (isSelf && this.ownAt) {
        ({ x, y } = this.ownAt);
        angle = aim;
      } else if (was && was[3] > 0 && Math.hypot(raw[0] - was[0], raw[1] - was[1]) < 400) {
        x = mix(was[0], raw[0], share);
        y = mix(was[1], raw[1], share);
        angle = aimToRadians(mixAngle(was[2], raw[2], share, AIM_TURN));
      }
      this.#drawFighter(x, y, angle, now, seat, isSelf, nowMs);
      labels.push({ x, y, now, isSelf, name: this.names.get(seat) ?? "" });
    }
    for (const label of labels) this.#drawLabel(label);
  }

  #drawFighter(x, y, angle, now, seat, isSelf, nowMs) {
    const c = this.context;
    const colour = isSelf ? this.colours.self : seatColour(seat);
    c.save();
    c.translate(x, y);
    if (now.shielded) {
      c.strokeStyle = colour;
      c.globalAlpha = 0.55;
      c.lineWidth = 10;
      c.setLineDash([46, 28]);
      c.lineDashOffset = calm.matches ? 0 : -nowMs / 8;
      c.beginPath();
      c.arc(0, 0, RADIUS + 34, 0, 2 * Math.PI);
      c.stroke();
      c.setLineDash([]);
      c.globalAlpha = 1;
    }
    c.rotate(angle);
    c.fillStyle = now.rapid ? this.colours.warn : this.colours.wallTop;
    c.beginPath();
    c.roundRect(RADIUS * 0.3, -19, RADIUS * 1.15, 38, 14);
    c.fill();
    const flashing = nowMs - (this.flashes.get(seat) ?? -1000) < 110;
    c.fillStyle = flashing ? "#fff" : colour;
    c.beginPath();
    c.arc(0, 0, RADIUS, 0, 2 * Math.PI);
    c.fill();
    c.lineWidth = isSelf ? 14 : 8;
    c.strokeStyle = isSelf ? "#fff" : this.colours.halo;
    c.stroke();
    c.fillStyle = "rgb(255 255 255 / .3)";
    c.beginPath();
    c.arc(RADIUS * 0.3, 0, RADIUS * 0.34, 0, 2 * Math.PI);
    c.fill();
    c.restore();
  }

  #drawLabel({ x, y, now, isSelf, name }) {
    const c = this.context;
    const pixel = 1 / this.camera.scale;
    const width = 132;
    const top = y - RADIUS - 46;
    const share = now.health / HEALTH_MAX;
    c.fillStyle = this.colours.track;
    c.beginPath();
    c.roundRect(x - width / 2, top, width, 18, 9);
    c.fill();
    c.fillStyle = share > 0.5 ? this.colours.good : share > 0.25 ? this.colours.warn : this.colours.bad;
    c.beginPath();
    c.roundRect(x - width / 2, top, Math.max(18, width * share), 18, 9);
    c.fill();
    c.font = `${isSelf ? 700 : 500} ${11.5 * pixel}px system-ui, sans-serif`;
    c.textAlign = "center";
    c.lineJoin = "round";
    c.lineWidth = 3 * pixel;
    c.strokeStyle = this.colours.halo;
    c.fillStyle = this.colours.text;
    const text = name.length > 16 ? `${name.slice(0, 15)}…` : name;
    c.strokeText(text, x, top - 5 * pixel);
    c.fillText(text, x, top - 5 * pixel);
  }

  #drawParticles(elapsedMs) {
    const c = this.context;
    this.particles = this.particles.filter((p) => (p.age += elapsedMs) < p.life);
    for (const p of this.particles) {
      p.x += (p.vx * elapsedMs) / 1000;
      p.y += (p.vy * elapsedMs) / 1000;
      c.globalAlpha = 1 - p.age / p.life;
      c.fillStyle = p.colour;
      c.beginPath();
      c.arc(p.x, p.y, p.size, 0, 2 * Math.PI);
      c.fill();
    }
    c.globalAlpha = 1;
  }
}
