// What the TypeScript SDK can ask of a server: the same scenarios as in scenarios.py, under the same names.
//
// Enters: a JSON object with addresses and keys, as the first argument; the SDK is the one that lies beside
// the working folder. Leaves: a JSON line a scenario, on standard output. Read next: matrix.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const from = createRequire(pathToFileURL(`${process.cwd()}/package.json`));
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const sdk = await load("@anthropic-ai/sdk");
const { z } = await load("zod");
const Anthropic = sdk.default;
const config = JSON.parse(process.argv[2]);

const SAY = [{ role: "user", content: "Please [[say It is forty two.]]" }];
const ASK = { model: "scripted", max_tokens: 100, messages: SAY };
const CALL = '[[call add {"a": 1, "b": 2}]]';
const ADD = {
  name: "add",
  description: "Adds two numbers.",
  input_schema: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } },
};
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

class Absent extends Error {}

const clientOf = (baseURL, apiKey, options = {}) =>
  new Anthropic({ baseURL, apiKey, maxRetries: 0, timeout: 300_000, ...options });
const scripted = clientOf(config.scripted, config.key);
const nano = clientOf(config.nano, "none-needed");
const saying = (text) => ({ ...ASK, messages: [{ role: "user", content: text }] });
const textOf = (message) =>
  message.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");
const kinds = (message) => message.content.map((block) => block.type);
const total = (usage) =>
  usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);

async function collected(pages) {
  const found = [];
  for await (const each of pages) found.push(each);
  return found;
}

async function raised(call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof sdk.APIError) return error;
    throw error;
  }
  throw new Error("no error was raised");
}

const scenarios = {
  "whole message": async () => {
    const message = await scripted.messages.create(ASK);
    assert.equal(message.role, "assistant");
    assert.equal(textOf(message), "It is forty two.");
    assert.equal(message.stop_reason, "end_turn");
    assert.equal(message.usage.output_tokens, 4);
    assert.match(message._request_id, /^req_/);
  },
  "stream helper": async () => {
    const pieces = [];
    const stream = scripted.messages.stream(ASK).on("text", (text) => pieces.push(text));
    const message = await stream.finalMessage();
    assert.equal(pieces.length, 4);
    assert.equal(pieces.join(""), textOf(message));
    assert.equal(message.usage.output_tokens, 4);
  },
  "raw stream": async () => {
    const events = await collected(await scripted.messages.create({ ...ASK, stream: true }));
    const block = ["content_block_start", ...Array(4).fill("content_block_delta"), "content_block_stop"];
    const names = events.map((event) => event.type).filter((name) => name !== "ping");
    assert.deepEqual(names, ["message_start", ...block, "message_delta", "message_stop"]);
  },
  "thinking with a budget": async () => {
    const asked = { ...ASK, max_tokens: 2048, thinking: { type: "enabled", budget_tokens: 1024 } };
    const first = await scripted.messages.create(asked);
    assert.deepEqual(kinds(first), ["thinking", "text"]);
    assert.equal(first.usage.output_tokens_details.thinking_tokens, 5);
    const messages = [...SAY, { role: "assistant", content: first.content }, ...SAY];
    const second = await scripted.messages.create({ ...asked, messages });
    assert.deepEqual(kinds(second), ["thinking", "text"]);
    const streamed = await scripted.messages.stream(asked).finalMessage();
    assert.equal(streamed.content[0].signature, first.content[0].signature);
  },
  "adaptive thinking, effort": async () => {
    const extra = { thinking: { type: "adaptive" }, output_config: { effort: "low" } };
    assert.deepEqual(kinds(await scripted.messages.create({ ...ASK, ...extra })), ["thinking", "text"]);
  },
  tools: async () => {
    const asked = { ...saying(CALL), tools: [ADD] };
    const first = await scripted.messages.create(asked);
    assert.equal(first.stop_reason, "tool_use");
    const [call] = first.content;
    assert.deepEqual([call.name, call.input], ["add", { a: 1, b: 2 }]);
    const result = { type: "tool_result", tool_use_id: call.id, content: "3" };
    const messages = [
      ...asked.messages,
      { role: "assistant", content: first.content },
      { role: "user", content: [result] },
    ];
    assert.equal(textOf(await scripted.messages.create({ ...asked, messages })), "It is done.");
    const streamed = await scripted.messages.stream(asked).finalMessage();
    assert.deepEqual(streamed.content[0].input, { a: 1, b: 2 });
  },
  "tool runner": async () => {
    if (!scripted.beta.messages.toolRunner) throw new Absent();
    const { betaZodTool } = await load("@anthropic-ai/sdk/helpers/beta/zod");
    const called = [];
    const add = betaZodTool({
      name: "add",
      description: "Adds two numbers.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      run: ({ a, b }) => {
        called.push([a, b]);
        return String(a + b);
      },
    });
    const last = await scripted.beta.messages.toolRunner({ ...saying(CALL), tools: [add] });
    assert.deepEqual(called, [[1, 2]]);
    assert.equal(textOf(last), "It is done.");
  },
  "structured parse": async () => {
    if (!nano.messages.parse) throw new Absent();
    const { zodOutputFormat } = await load("@anthropic-ai/sdk/helpers/zod");
    const format = zodOutputFormat(z.object({ is_even: z.boolean() }));
    const asked = { model: "nano", max_tokens: 200, messages: [{ role: "user", content: "Is 8 even?" }] };
    const message = await nano.messages.parse({ ...asked, output_config: { format } });
    assert.equal(typeof message.parsed_output.is_even, "boolean");
  },
  "count tokens": async () => {
    for (const [client, model] of [[scripted, "scripted"], [nano, "nano"]]) {
      const counted = await client.messages.countTokens({ model, messages: SAY });
      const message = await client.messages.create({ ...ASK, model, max_tokens: 1 });
      assert.equal(counted.input_tokens, total(message.usage));
    }
  },
  models: async () => {
    const listed = await collected(nano.models.list({ limit: 1 }));
    assert.deepEqual(listed.map((model) => model.id), ["nano", "claude-nano"]);
    assert.equal((await nano.models.retrieve("nano")).type, "model");
  },
  files: async () => {
    const api = scripted.files ?? scripted.beta.files;
    const sent = await api.upload({
      file: await sdk.toFile(Buffer.from("a hare"), "hare.txt", { type: "text/plain" }),
    });
    assert.deepEqual([sent.filename, sent.size_bytes, sent.mime_type], ["hare.txt", 6, "text/plain"]);
    const listed = await collected(api.list());
    assert.ok(listed.some((each) => each.id === sent.id));
    assert.equal((await api.retrieveMetadata(sent.id)).id, sent.id);
    assert.equal((await raised(() => api.download(sent.id))).status, 400);
    assert.equal((await api.delete(sent.id)).type, "file_deleted");
  },
  batches: async () => {
    const api = scripted.messages.batches;
    const requests = [
      { custom_id: "one", params: ASK },
      { custom_id: "two", params: { model: "scripted" } },
    ];
    const made = await api.create({ requests });
    assert.ok((await collected(api.list())).some((each) => each.id === made.id));
    let batch = made;
    for (const giveUpAt = Date.now() + 300_000; batch.processing_status !== "ended"; ) {
      assert.ok(Date.now() < giveUpAt);
      await new Promise((resolve) => setTimeout(resolve, 200));
      batch = await api.retrieve(made.id);
    }
    assert.deepEqual([batch.request_counts.succeeded, batch.request_counts.errored], [1, 1]);
    const lines = await collected(await api.results(made.id));
    const results = Object.fromEntries(lines.map((line) => [line.custom_id, line.result]));
    assert.equal(textOf(results.one.message), "It is forty two.");
    assert.equal(results.two.error.error.type, "invalid_request_error");
    assert.equal((await api.delete(made.id)).type, "message_batch_deleted");
    // So many that it cannot have ended before it is cancelled.
    const many = Array.from({ length: 1000 }, (_, number) => ({ ...requests[0], custom_id: `line-${number}` }));
    const other = await api.create({ requests: many });
    assert.ok(["canceling", "ended"].includes((await api.cancel(other.id)).processing_status));
  },
  errors: async () => {
    const create = (body) => scripted.messages.create(body);
    const cases = [
      [() => create({ ...ASK, max_tokens: -1 }), sdk.BadRequestError, 400, "invalid_request_error"],
      [
        () => clientOf(config.scripted, "wrong").messages.create(ASK),
        sdk.AuthenticationError,
        401,
        "authentication_error",
      ],
      [() => create({ ...ASK, model: "no-such" }), sdk.NotFoundError, 404, "not_found_error"],
      [() => create(saying("x".repeat(3_000_000))), sdk.APIError, 413, "request_too_large"],
      [() => create(saying("[[raise overloaded]]")), sdk.APIError, 529, "overloaded_error"],
      [() => create(saying("[[raise fault]]")), sdk.InternalServerError, 500, "api_error"],
    ];
    for (const [call, kind, status, name] of cases) {
      const error = await raised(call);
      assert.ok(error instanceof kind, `${status} ${error}`);
      assert.equal(error.status, status);
      assert.equal(error.error.error.type, name);
      assert.match(error.headers.get("request-id"), /^req_/);
    }
  },
  "rate limits, retry-after": async () => {
    const error = await raised(() => scripted.messages.create(saying("[[raise rate_limit]]")));
    assert.ok(error instanceof sdk.RateLimitError);
    assert.equal(error.headers.get("retry-after"), "7");
    const poor = clientOf(config.scripted, config.poor_key);
    const refused = await raised(async () => {
      await poor.messages.create(ASK);
      await poor.messages.create(ASK);
    });
    assert.ok(refused instanceof sdk.RateLimitError);
    assert.equal(refused.headers.get("anthropic-ratelimit-requests-limit"), "1");
    const wait = Number(refused.headers.get("retry-after"));
    assert.ok(wait > 0 && wait <= 60);
  },
  "error within a stream": async () => {
    const error = await raised(async () =>
      collected(await scripted.messages.create({ ...saying("[[break overloaded]]"), stream: true })),
    );
    assert.match(JSON.stringify(error.error), /overloaded_error/);
  },
  retries: async () => {
    const patient = clientOf(config.scripted, config.key, { maxRetries: 1 });
    const before = Date.now();
    const error = await raised(() => patient.messages.create(saying("[[raise overloaded]]")));
    assert.equal(error.status, 529);
    assert.ok(Date.now() - before >= 250, "the second try came without a pause");
  },
  "prompt caching": async () => {
    const text = `Hares at ${process.hrtime.bigint()}. ${"A hare sits and looks at the moon. ".repeat(30)}`;
    const system = [{ type: "text", text, cache_control: { type: "ephemeral" } }];
    const asked = { model: "nano", max_tokens: 1, system, messages: SAY };
    const first = (await nano.messages.create(asked)).usage;
    const second = (await nano.messages.create(asked)).usage;
    assert.ok(first.cache_creation_input_tokens > 0);
    assert.equal(first.cache_creation.ephemeral_5m_input_tokens, first.cache_creation_input_tokens);
    assert.ok(second.cache_read_input_tokens >= first.cache_creation_input_tokens);
    assert.equal(total(first), total(second));
  },
  prefill: async () => {
    const messages = [
      { role: "user", content: "Count." },
      { role: "assistant", content: "one two three" },
    ];
    const message = await nano.messages.create({ model: "nano", max_tokens: 4, messages });
    assert.ok(["max_tokens", "end_turn"].includes(message.stop_reason));
  },
  images: async () => {
    const source = { type: "base64", media_type: "image/png", data: PNG };
    const content = [{ type: "image", source }, { type: "text", text: "[[say I see it.]]" }];
    assert.equal(textOf(await scripted.messages.create(saying(content))), "I see it.");
  },
  "stop sequences": async () => {
    const message = await scripted.messages.create({ ...ASK, stop_sequences: ["forty"] });
    assert.deepEqual([message.stop_reason, message.stop_sequence], ["stop_sequence", "forty"]);
    assert.equal(textOf(message), "It is ");
  },
  "system message in the middle": async () => {
    const messages = [...SAY, { role: "system", content: "Be brief." }];
    assert.equal(textOf(await scripted.messages.create({ ...ASK, messages })), "It is forty two.");
  },
  "beta namespace": async () => {
    const betas = ["interleaved-thinking-2025-05-14", "unheard-of-2030-01-01"];
    assert.equal(textOf(await scripted.beta.messages.create({ ...ASK, betas })), "It is forty two.");
    const counted = await scripted.beta.messages.countTokens({ model: "scripted", messages: SAY });
    assert.ok(counted.input_tokens > 0);
  },
  "bearer token": async () => {
    const client = new Anthropic({
      baseURL: config.scripted,
      apiKey: null,
      authToken: config.key,
      maxRetries: 0,
    });
    assert.equal(textOf(await client.messages.create(ASK)), "It is forty two.");
  },
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const manifest = readFileSync("node_modules/@anthropic-ai/sdk/package.json", "utf-8");
say({ version: JSON.parse(manifest).version });
for (const [scenario, play] of Object.entries(scenarios)) {
  try {
    await play();
    say({ scenario, result: "works" });
  } catch (error) {
    const detail = `${error.name}: ${error.message}`.slice(0, 500);
    say(error instanceof Absent ? { scenario, result: "absent" } : { scenario, result: "fails", detail });
  }
}
