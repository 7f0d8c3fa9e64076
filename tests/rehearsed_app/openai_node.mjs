// The openai client for Node as it is: one plain answer and one stream.
import { createRequire } from "node:module";

const OpenAI = createRequire(process.env.REHEARSAL_NODE_MODULES + "/")("openai");
const client = new OpenAI.OpenAI();
const asked = (content) => ({ model: "some-model", messages: [{ role: "user", content }] });

const answer = await client.chat.completions.create(asked("Say hello in one word."));
console.log(answer.choices[0].message.content);
let text = "";
for await (const chunk of await client.chat.completions.create({ ...asked("Say goodbye in one sentence."), stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
console.log(text);
