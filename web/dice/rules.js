// What a client has to know of liar's dice (`gameserver/games/liars_dice.py`).
//
// The view: {players: {seat: {dice, ready}}, phase, round, turn, bid: {seat, count, face} | null,
//            reveal: {bid, challenger, actual, loser, hands: {seat: [face]}} | null, left_ms, own: [face]}
// The input: {action: "ready" | "bid" | "challenge", count, face}

/** Dice on the table. */
export const diceOf = (view) => Object.values(view.players).reduce((sum, { dice }) => sum + dice, 0);

/** Whether a bid is more than the one before: more dice, or as many of a higher face. */
export const beats = (count, face, bid) =>
  !bid || count > bid.count || (count === bid.count && face > bid.face);

/** The least bid of a face that is more than the one before; null where there is none. */
export function leastOf(face, view) {
  const { bid } = view;
  const count = !bid ? 1 : face > bid.face ? bid.count : bid.count + 1;
  return count <= diceOf(view) ? count : null;
}
