// The same with the SDK for Node, which the test finds by NODE_MODULES.
// Usage: node responses.mjs MODE BASE_URL
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const OpenAI = require("openai");
const [mode, baseURL] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "sk-made-up-0123456789", maxRetries: 0 });
const ask = { model: "gpt-5.5", input: "say hello" };

async function run() {
  if (mode === "whole") {
    const response = await client.responses.create({ ...ask, stream: false });
    return { status: response.status, text: response.output_text };
  }
  if (mode === "streamed") {
    const kinds = [];
    let text = "";
    for await (const event of await client.responses.create({ ...ask, stream: true })) {
      kinds.push(event.type);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    return { kinds, text };
  }
  try {
    await client.responses.create(ask);
    return { error: null };
  } catch (error) {
    const { status, code } = error;
    return { error: error.constructor.name, status, code, message: error.error.message };
  }
}

console.log(JSON.stringify(await run()));
