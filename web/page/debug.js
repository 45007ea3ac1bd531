// For tests and for the curious: what the page sees, as `window.__arena`.

export function debug({ match, views, replay, queue, sounds, fps }) {
  const { scene } = views.arena;
  return {
    get screen() { return document.body.dataset.screen; },
    get connected() { return match.client?.connected ?? false; },
    get seated() { return match.client?.seated ?? false; },
    get match() { return match.seated?.match ?? null; },
    get game() { return match.seated?.game ?? null; },
    get mode() { return match.seated?.mode ?? null; },
    get seat() { return match.seated?.seat ?? -1; },
    get epoch() { return match.client?.frame?.epoch ?? 0; },
    get tick() { return match.client?.frame?.tick ?? -1; },
    get view() { return match.client?.frame?.view ?? null; },
    get players() { return Object.keys(match.client?.frame?.view.players ?? {}).length; },
    get own() { return scene.own; },
    get drawnAt() { return scene.ownAt; },
    get corrections() { return scene.corrections; },
    get pingMs() { return match.client?.rttMs ?? null; },
    get fps() { return fps(); },
    get matchOver() { return match.ended !== null; },
    get standings() { return match.ended; },
    get replay() { return replay.state; },
    get ticket() { return queue.state; },
    get sounds() { return sounds.count; },
  };
}
