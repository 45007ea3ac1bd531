// What the page has just done, as a program of a few lines.

/** A JSON value as Python writes it. */
export function python(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${python(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

export const pythonClient = ({ page, url, game, mode, data }) => `"""Join a match, send one input, and print what comes."""

import asyncio
import json
import urllib.request

from websockets.asyncio.client import connect  # pip install websockets


def token() -> str:
    """Of a development player; in production log in at POST /v1/auth/login."""
    request = urllib.request.Request("${page}/dev/tokens?count=1", method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["tokens"][0]


async def main() -> None:
    async with connect(
        "${url}",
        subprotocols=["gameserver.v1.json"],
        additional_headers={"Authorization": f"Bearer {token()}"},
    ) as socket:
        join = {"type": "join", "ref": 1, "game": ${python(game)}, "mode": ${python(mode)}}
        await socket.send(json.dumps(join))
        async for text in socket:
            message = json.loads(text)
            print(message, flush=True)
            if message["type"] == "joined":
                seq = message["input_seq"] + 1
                data = ${python(data)}
                await socket.send(json.dumps({"type": "input", "seq": seq, "data": data}))


asyncio.run(main())
`;

export const jsClient = ({ page, url, game, mode, data }) => `// Join a match, send one input, and log what comes.

// Of a development player; in production log in at POST /v1/auth/login.
const { tokens } = await (await fetch("${page}/dev/tokens?count=1", { method: "POST" })).json();
const socket = new WebSocket("${url}", ["gameserver.v1.json", \`bearer.\${tokens[0]}\`]);
socket.onopen = () => {
  socket.send(JSON.stringify({ type: "join", ref: 1, game: ${JSON.stringify(game)}, mode: ${JSON.stringify(mode)} }));
};
socket.onmessage = ({ data: text }) => {
  const message = JSON.parse(text);
  console.log(message);
  if (message.type === "joined") {
    const data = ${JSON.stringify(data)};
    socket.send(JSON.stringify({ type: "input", seq: message.input_seq + 1, data }));
  }
};
`;
