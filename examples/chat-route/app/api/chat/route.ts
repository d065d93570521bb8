// The chat route of docs/quick-start.md, word for word.
import { createClient } from '@fastpaca/fastpaca';
import { streamText } from 'ai';
import { openai } from '@ai-sdk/openai';

export async function POST(req: Request) {
  const { contextId, message } = await req.json();

  const fastpaca = createClient({ baseUrl: process.env.FASTPACA_URL || 'http://localhost:4000/v1' });
  const ctx = await fastpaca.context(contextId, { budget: 1_000_000 });

  // Append user message
  await ctx.append({
    role: 'user',
    parts: [{ type: 'text', text: message }]
  });

  // Get context messages
  const { messages } = await ctx.context();

  // Stream response with auto-append
  return streamText({
    model: openai('gpt-4o-mini'),
    messages,
  }).toUIMessageStreamResponse({
    onFinish: async ({ responseMessage }) => {
      await ctx.append(responseMessage);
    },
  });
}
