// A die as an element: pips in a grid of nine, or a face that is not shown.

import { make } from "../shared/dom.js";

//  0 1 2
//  3 4 5
//  6 7 8
const PIPS = [[], [4], [2, 6], [2, 4, 6], [0, 2, 6, 8], [0, 2, 4, 6, 8], [0, 2, 3, 5, 6, 8]];
export const FACES = [1, 2, 3, 4, 5, 6];
export const WILD = 1;
const PLURALS = ["", "ones", "twos", "threes", "fours", "fives", "sixes"];
const SINGULARS = ["", "one", "two", "three", "four", "five", "six"];

/** `3 fives` */
export const bidText = (count, face) => `${count} ${(count === 1 ? SINGULARS : PLURALS)[face]}`;

/** `face` 0: hidden. Says what it is, unless `silent` (where words beside it do). */
export function die(face, className = "", { silent = false } = {}) {
  const element = make("span", "", `die ${className}`.trim());
  if (silent) element.setAttribute("aria-hidden", "true");
  else {
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", face ? SINGULARS[face] : "a hidden die");
  }
  if (!face) element.classList.add("hidden-die");
  for (const at of PIPS[face]) element.append(make("i", "", `pip p${at}`));
  return element;
}
