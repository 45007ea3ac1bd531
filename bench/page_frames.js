// Measured in the page: frames of an arena match with so many entities, as the page plays one. What
// a message costs (decoded, put on the timeline, scores and clock) counts for the frame in which it
// is taken; frames are drawn as often as the browser asks for them.
async ({ entities, seconds, hz }) => {
  const { ArenaView } = await import("/arena/view.js");
  const { Pacer, ViewTracker, decodeServer, encode } = await import("/sdk/index.js");
  document.body.dataset.screen = "other";
  document.body.dataset.game = "arena";
  document.querySelector("#game").style.display = "block";
  const rows = ["#".repeat(40), ...Array(22).fill("#" + ".".repeat(38) + "#"), "#".repeat(40)];
  const map = [256, rows];
  const fighters = Math.round(entities * 0.6);
  let tick = 0;
  let shots = [];
  // As 60 fighters in motion and 40 shots in the air look to who watches them.
  const message = () => {
    tick += 1;
    const players = {};
    const bullets = {};
    for (let i = 0; i < fighters; i++) {
      const x = 1000 + ((i * 937 + tick * 40) % 8000);
      const y = 600 + ((i * 389) % 4800);
      players[i] = [x, y, (i * 64 + tick * 9) % 1024, 100 - ((i + tick) % 90), i, i, i % 3];
    }
    for (let i = 0; i < entities - fighters; i++) {
      const fired = tick - (tick % 15);
      bullets[i + 100 * fired] = [3000 + i * 90, 3000, (i * 97) % 1024, fired, 99];
    }
    const serverMs = 1e12 + (tick * 1000) / hz;
    const gone = shots.filter((key) => !(key in bullets));
    shots = Object.keys(bullets);
    if (tick > 1) return encode([4, 1, tick, serverMs, [], tick - 1, {}, { players, bullets }, { bullets: gone }]);
    return encode([3, 1, tick, serverMs, [], { map, players, bullets, pickups: {}, ends_tick: 3600, kills: 0 }]);
  };
  const shown = new ArenaView({ tell() {}, send: () => 0, sound() {} });
  shown.enter();
  const seats = Array.from({ length: fighters }, (_, seat) => ({ seat, player: `p${seat}`, name: `player ${seat}` }));
  shown.joined({ seat: -1, seats, tickRate: hz });
  const views = new ViewTracker();
  const waiting = [];
  const pacer = new Pacer(1000 / hz, () => waiting.push(message()));
  pacer.start();
  const between = [];
  const script = [];
  let bytes = 0;
  let before = null;
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    const now = await new Promise((done) => { requestAnimationFrame(done); });
    const messages = waiting.splice(0);
    const from = performance.now();
    for (const data of messages) {
      bytes = data.length;
      const frame = views.apply(decodeServer(data));
      if (frame) shown.frame(frame);
    }
    shown.draw(now);
    script.push(performance.now() - from);
    if (before !== null) between.push(now - before);
    before = now;
  }
  pacer.stop();
  const told = (list) => {
    const sorted = [...list].sort((a, b) => a - b);
    const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) };
  };
  return { entities, messages: tick, bytes, frames: between.length, frame_ms: told(between), script_ms: told(script) };
}
