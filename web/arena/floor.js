// Paints the ground of a map.

/** Floor and walls, painted once for a size and a colour scheme. */
export function paintFloor(ground, tile, colours) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(ground.columns * tile);
  canvas.height = Math.ceil(ground.rows.length * tile);
  const c = canvas.getContext("2d");
  c.fillStyle = colours.floor;
  c.beginPath();
  c.roundRect(0, 0, canvas.width, canvas.height, tile * 0.3);
  c.fill();
  c.fillStyle = colours.line;
  for (let row = 1; row < ground.rows.length; row++) {
    for (let column = 1; column < ground.columns; column++) {
      c.beginPath();
      c.arc(column * tile, row * tile, Math.max(1, tile * 0.03), 0, 2 * Math.PI);
      c.fill();
    }
  }
  const isWall = (column, row) => ground.rows[row]?.[column] === "#";
  for (const [colour, lift] of [[colours.wall, 0], [colours.wallTop, tile * 0.16]]) {
    c.fillStyle = colour;
    for (let row = 0; row < ground.rows.length; row++) {
      for (let column = 0; column < ground.columns; column++) {
        if (!isWall(column, row)) continue;
        // Only free corners are round, so that neighbours make one block.
        const free = (dx, dy) => !isWall(column + dx, row) && !isWall(column, row + dy);
        const round = tile * 0.28;
        const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map((d) => (free(...d) ? round : 0));
        const below = isWall(column, row + 1) ? 0 : lift;
        c.beginPath();
        c.roundRect(column * tile - 0.5, row * tile - 0.5, tile + 1, tile + 1 - below, corners);
        c.fill();
      }
    }
  }
  return canvas;
}
