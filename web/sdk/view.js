// The receiving side of snapshots and deltas.

/** A delta is against another tick than the one at hand: connect and join again. */
export class DeltaGap extends Error {}

/** The view after a Delta; entities that did not change are shared with the view before. */
export function applyDelta(view, fields, entities, removed) {
  const next = Object.assign(Object.create(null), view, fields);
  for (const table of new Set([...Object.keys(removed), ...Object.keys(entities)])) {
    next[table] = Object.assign(Object.create(null), next[table]);
    for (const key of removed[table] ?? []) delete next[table][key];
    Object.assign(next[table], entities[table]);
  }
  return next;
}

/** The newest frame of one match on one connection. */
export class ViewTracker {
  constructor() { this.frame = null; }

  /**
   * The frame after a `snapshot` or `delta`: {epoch, tick, serverMs, acks, view}; null where it is
   * older than what is at hand. Throws DeltaGap.
   */
  apply(message) {
    const { epoch, tick, server_ms: serverMs, acks } = message;
    const at = this.frame;
    if (message.type === "delta" && (at?.tick !== message.base || at.epoch !== epoch)) {
      throw new DeltaGap(`delta from tick ${message.base} of epoch ${epoch}, which is not here`);
    }
    if (at && (epoch < at.epoch || (epoch === at.epoch && tick <= at.tick))) return null;
    const view = message.type === "snapshot" ? message.view
      : applyDelta(at.view, message.fields, message.entities, message.removed);
    this.frame = { epoch, tick, serverMs, acks, view };
    return this.frame;
  }

  reset() { this.frame = null; }
}
